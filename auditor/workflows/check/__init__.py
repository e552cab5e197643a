"""Check a target and find out how to reach it."""

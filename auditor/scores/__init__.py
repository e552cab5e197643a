"""Scores of label maps and of counts, with their intervals (pure)."""

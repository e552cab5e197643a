"""The tasks of a user, one file or folder each."""

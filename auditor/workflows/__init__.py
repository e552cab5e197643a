"""What a user does with the tool, one file or folder each."""

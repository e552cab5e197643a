"""What the user says about a model: its description, read, checked and written."""

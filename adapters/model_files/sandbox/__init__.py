"""Model files run in a child process that has no keys, no network and no files of the user."""

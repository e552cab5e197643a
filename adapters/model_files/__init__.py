"""Model files on disk: opened, checked and run in a child process without keys or network."""

"""Survey of an unknown server: what it may want, guessed without samples."""

"""Numbers in, verdict and reasons out (pure)."""

"""Checks a bundle as a stranger would: files, chain, signature, and the verdict recomputed."""

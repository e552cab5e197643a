"""Verify an evidence bundle and recompute its verdict."""

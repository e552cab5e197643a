"""Signatures and time stamps over an evidence bundle."""

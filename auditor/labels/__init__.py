"""The engine's answers by the probes that asked for them, and their consistency."""

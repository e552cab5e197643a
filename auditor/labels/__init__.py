"""What the engine's answers are answers to."""

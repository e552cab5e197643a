"""The labels that the engine's runs bring, and their consistency."""

"""adapters.target."""

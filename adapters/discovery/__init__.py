"""adapters.discovery."""

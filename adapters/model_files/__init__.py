"""adapters.model_files."""

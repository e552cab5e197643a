"""adapters.http.generic."""

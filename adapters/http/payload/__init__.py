"""adapters.http.payload."""

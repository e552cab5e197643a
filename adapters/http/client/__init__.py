"""adapters.http.client."""

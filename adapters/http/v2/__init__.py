"""adapters.http.v2."""

"""adapters.http.transport."""

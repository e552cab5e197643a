"""One client for every protocol: credentials, failures, polling, limits and server identity."""

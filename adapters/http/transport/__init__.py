"""Bytes to and from a server: connections, TLS, addresses and bounded reading."""

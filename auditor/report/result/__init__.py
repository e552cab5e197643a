"""The typed result of an audit, part by part."""

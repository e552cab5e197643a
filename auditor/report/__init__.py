"""Views of the one result of an audit."""

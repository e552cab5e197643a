"""A clean and a backdoored model behind a local server, audited."""

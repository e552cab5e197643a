"""The query engine: what is asked, how fast, what it costs and what was answered."""

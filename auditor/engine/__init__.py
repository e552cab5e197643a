"""The query engine: asks an oracle every input of a plan once, within its limits."""

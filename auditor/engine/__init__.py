"""The query engine: questions, their pace, their cost and their answers."""

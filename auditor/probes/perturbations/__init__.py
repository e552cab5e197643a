"""Changes of every sample by fixed recipes, whose labels the decision rule counts."""

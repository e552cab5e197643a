"""Clean, labelled samples: read from disk or arrays and fitted to the model."""

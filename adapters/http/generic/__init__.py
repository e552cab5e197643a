"""Any other HTTP prediction API, as a target description tells it."""

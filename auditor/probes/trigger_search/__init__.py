"""Hard-label search for one change that sends every sample to one label."""

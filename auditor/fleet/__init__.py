"""Many audits as one: a file that lists them, workers that run them, one summary of all."""

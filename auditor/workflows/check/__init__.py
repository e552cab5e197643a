"""Finds out how an endpoint wants to be asked: for ``xray-audit check URL`` and nothing else."""

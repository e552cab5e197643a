"""Evidence: the record that an audit leaves, to be checked without trusting its author.

A bundle is a folder (every ``--output`` is one) or the same files in one ``.zip``; its files are
listed in :mod:`auditor.evidence.layout`.
"""

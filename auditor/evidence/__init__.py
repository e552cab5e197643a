"""Evidence: what an audit leaves behind so that somebody who trusts nobody can check it.

A bundle is a folder (every ``--output`` is one) or the same files in one ``.zip``; its files are
listed in :mod:`auditor.evidence.layout`.
"""

"""Hard-label search for a universal trigger: see :mod:`auditor.probes.trigger_search.search`."""

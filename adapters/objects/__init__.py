"""Models that are objects in memory, of every usual library, behind the adapters' contract."""

"""Everything decided before the first query, seeded and hashed."""

"""The sentences that people read in a report."""

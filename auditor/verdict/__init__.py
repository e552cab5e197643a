"""From all that was asked to one number: how suspicious, which label, which probe said so."""

"""auditor.evidence.attest."""

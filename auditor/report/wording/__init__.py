"""auditor.report.wording."""

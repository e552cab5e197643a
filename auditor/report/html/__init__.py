"""auditor.report.html."""

"""Views of one audit result: ``report.json`` and a self-contained HTML page."""

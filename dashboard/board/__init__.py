"""The dashboard over the published file: queries, charts and pages, each apart from the others."""

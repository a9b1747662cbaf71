"""The dashboard of the published file, in three layers: queries, charts, pages."""

"""Landed pages to staged records and staged tables, as files that the next stage reads."""

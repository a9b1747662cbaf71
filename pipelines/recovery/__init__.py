"""Damage and how it is mended: verification of a whole home, restoring a warehouse, backups."""

"""Checks of an installation and its home for `milestones doctor`. They only read, and none stops the others."""

"""The `milestones` command."""

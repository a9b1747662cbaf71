"""The `milestones` command: options, output and exit statuses. The work is done by the other packages."""

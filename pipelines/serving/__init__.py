"""The HTTP interface of the published data: JSON and a calendar. Reads the published files and nothing else."""

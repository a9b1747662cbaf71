"""A sweep: what to fetch, and its five stages without Dagster."""

"""Dagster: assets, checks, jobs, schedules, sensors and resources. Thin: the work is done by the packages below."""

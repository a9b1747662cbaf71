"""Dagster: assets, checks, jobs, schedules, sensors and resources.

Only Dagster code is here: the stages are in `sweep`, the audits in `warehouse`, the snapshot in `publish`.
"""

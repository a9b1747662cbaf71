"""Staging: decodes pages into records and flattens records into tables, as Parquet files between the stages.

Nothing here opens the warehouse or calls the API.
"""

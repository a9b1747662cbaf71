"""Publishes a Parquet snapshot to Apache Iceberg tables: current tables and history, one Iceberg snapshot a publish.

Needs the extra `iceberg`. Nothing else imports pyiceberg.
"""

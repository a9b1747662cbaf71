"""A sweep and its five stages, without Dagster: land pages, stage records, stage tables, load, publish.

Requests to the API are in `kalshi`, SQL on the warehouse is in `warehouse`.
"""

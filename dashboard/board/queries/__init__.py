"""Queries of the published file: functions from a connection and parameters to rows. No page, no clock."""

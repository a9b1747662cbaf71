"""WHAT the data is: the API's messages and the tables made from them. No I/O, no Dagster, no clock."""

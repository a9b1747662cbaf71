"""Reading what is published: connections, queries, export. Never writes, needs no Dagster."""

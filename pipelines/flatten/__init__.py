"""Records to tables: Arrow in, Arrow out. Pure: no I/O, no clock, no Dagster."""

"""Rebuilds on Spark: `pipelines.flatten` on the executors, for a version log that outgrows one machine.

Needs the extra `spark` and Java. Only `installed` can be imported without them; it says what is missing.
"""

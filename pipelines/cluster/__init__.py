"""A full sweep on several machines: Dagster's steps on Celery's workers, one pace in Redis, pages in the lake.

Needs the extra `cluster`. The code of one machine imports nothing from here.
"""

"""Sweeps of the endpoints beside milestones: plan, fetch, load, publish. All of them run the same code.

They hold the writer's lock only while they load and publish, so that they never delay a sweep of milestones.
"""

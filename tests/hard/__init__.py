"""Campaigns of many seeded cases, `make test-hard`: kills, failing disks, changing data, fuzzed records, odd habits.

Each campaign is a module with a `Campaign` (see `campaign`); `campaigns` lists them, `runner` runs them and keeps their
results, `report` writes the results into docs/reliability.md. The tests here run a few cases of each.
"""

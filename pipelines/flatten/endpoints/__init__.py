"""Flatten functions of the endpoints beside milestones: one record in, rows by table out."""

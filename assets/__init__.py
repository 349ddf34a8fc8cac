"""Dagster assets, thin: one file per group, with its jobs and schedules.

A body calls one door of `Monitoring` and returns metadata. What the words mean, SQL and analysis are
in `monitoring_pipeline`, which runs without Dagster.
"""

"""Dagster sensors, thin: one file per sensor, with the job it requests.

A sensor asks one cheap question and calls one door of `Monitoring`; decisions live in `monitoring_pipeline`.
"""

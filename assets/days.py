"""The days of UTC as partitions: what is computed day by day can be computed anew for any of them."""

from datetime import datetime

import dagster as dg

__all__ = ["DAYS", "span"]

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC")


def span(context: dg.AssetExecutionContext) -> tuple[datetime, datetime]:
    """The stretch of time that a run computes."""
    window = context.partition_time_window
    return window.start, window.end

"""Collectors: how each does by what it reported and the clock, as numbers that rules can be about, and as a table."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from assets.history import history_publish
from assets.markdown import table
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.reports.collectors import CollectorHealth

__all__ = ["collector_table", "collectors"]

_MAX_ROWS = 30


@dg.asset(
    group_name="collection",
    deps=[history_publish],
    kinds={"duckdb"},
    description="Judges what collectors reported, and their silence; the verdicts are samples of their sources.",
)
def collectors(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    views = monitoring.collection.tell()
    counts = Counter(view.status.value for view in views)
    return dg.MaterializeResult(
        metadata={**counts, "collectors": len(views), "worst": dg.MetadataValue.md(collector_table(views))}
    )


def collector_table(views: Sequence[CollectorHealth]) -> str:
    """Markdown: the worst collectors, at most thirty."""
    if not views:
        return "No collector reported, and none is declared."
    head = ("collector", "source", "status", "attempts", "failed", "p95", "reason")
    rows = []
    for view in views[:_MAX_ROWS]:
        window, rate = view.window, view.window.failure_rate
        p95 = "" if window.p95_ms is None else f"{window.p95_ms:.0f} ms"
        failed = "" if rate is None else f"{rate:.1f} %"
        attempts = f"{window.attempts:.0f} in {format_duration(view.span)}"
        rows.append((view.collector, view.source, view.status.value, attempts, failed, p95, view.reason))
    more = f"\n\nand {len(views) - _MAX_ROWS} more" if len(views) > _MAX_ROWS else ""
    return table(head, rows) + more

"""Whether quality suites run, and can look at the data they are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.cli.examination import Finding, Patient, ok, warning
from monitoring_pipeline.records import Status

if TYPE_CHECKING:
    from monitoring_pipeline.reports.quality import SuiteView

__all__ = ["suites"]


def suites(patient: Patient) -> Iterator[Finding]:
    """Suites that do not run any more, and runs that found out nothing; not what they found of the data."""
    views = _views(patient)
    silent = [view.suite for view in views if view.run is None and not _is_reported(view)]
    unheard = [view for view in views if _is_reported(view) and (view.run is None or view.overdue)]
    if silent:
        advice = "`busta up` runs them, or `busta quality run`"
        yield warning("suites", f"have not run yet: {', '.join(silent)}", advice)
    for view in unheard:
        yield warning(f"suite {view.suite}", view.reason, "does its framework still report to POST /quality?")
    for view in views:
        if view in unheard:
            continue
        if view.overdue:
            advice = "does `quality_schedule` run in Dagster? is a run stuck?"
            yield warning(f"suite {view.suite}", view.reason, advice)
        elif view.run is not None and (view.run.errors or view.status is Status.UNKNOWN):
            why = f"could not be judged at its last run: {view.reason}"
            yield warning(f"suite {view.suite}", why, f"`busta quality show {view.suite}` tells what")
    if views and not silent and not unheard and not any(view.overdue for view in views):
        yield ok("suites", f"{len(views)} run as they should")


def _is_reported(view: SuiteView) -> bool:
    return view.spec is not None and view.spec.reported


def _views(patient: Patient) -> list[SuiteView]:
    config = patient.config
    if config is None or not config.suites or config.stores.operational is None:
        return []
    from monitoring_pipeline.reports.quality import suite_views
    from monitoring_pipeline.store.operational import OperationalStore
    from monitoring_pipeline.store.quality import latest_runs

    url = config.stores.operational.get_secret_value()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return []
    store = OperationalStore.open(url, patient.now)
    try:
        with store.read() as connection:
            runs = latest_runs(connection)
    finally:
        store.close()
    return [view for view in suite_views(config.suites, runs, patient.now) if view.spec is not None]

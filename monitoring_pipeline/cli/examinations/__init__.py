"""What `busta doctor` looks at, in its order; one group per file."""

from __future__ import annotations

from monitoring_pipeline.cli.examination import Examination
from monitoring_pipeline.cli.examinations import clock, environment, stores, suites, telling, watching

__all__ = ["EXAMINATIONS"]

EXAMINATIONS: tuple[Examination, ...] = (
    environment.python,
    environment.byte_code,
    environment.configuration,
    environment.open_files,
    stores.disk,
    stores.operational,
    stores.published,
    watching.supervisor,
    watching.runner,
    watching.dagster,
    watching.api,
    telling.channels,
    suites.suites,
    clock.stored_future,
    clock.synchronised,
)
"""They run one after another; one that fails is a finding of its own."""

"""One process that examines suites, shared by all tests: starting it costs seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring_pipeline.quality.examine import Order
from monitoring_pipeline.quality.outcome import Examination
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.quality.workshop import Workshop

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
Examine = Callable[..., Examination]


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    with Workshop() as workshop:
        yield workshop


@pytest.fixture(scope="session")
def examine(workshop: Workshop) -> Examine:
    """Examines a suite written as in the YAML."""

    def examine(**suite: Any) -> Examination:
        return workshop.examine(Order(SuiteSpec.model_validate({"source": "orders", **suite}), NOW))

    return examine

"""One small installation, opened, whose current window of slots ends in fifty seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from monitoring_pipeline.app import Monitoring
from tests.installation import seconds_before_handover, write_installation


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    opened = Monitoring.open(write_installation(tmp_path), seconds_before_handover(50))
    yield opened
    opened.close()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral

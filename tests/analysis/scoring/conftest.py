"""These tests are about what is done with scores. What is strange is a matter of plain distance here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from monitoring_pipeline.analysis.detection import alarms

_SIGMAS_A_POINT = 6.0


def distance(rows: Any, at: Any, seen: Any, loud: Any) -> Any:
    """Evidence whose score is the distance to what was expected, one for each six of the usual distances."""
    score = np.abs(seen.level) / seen.scale_level / _SIGMAS_A_POINT
    return alarms.WARNING + (alarms.CRITICAL - alarms.WARNING) * (score - 2)


@pytest.fixture(autouse=True, scope="package")
def _plain_evidence() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitoring_pipeline.analysis.detection.combination.evidence", distance)
        yield

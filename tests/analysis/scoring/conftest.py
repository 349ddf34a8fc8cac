"""These tests are about what is done with scores. What is strange is a matter of plain distance here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from monitoring_pipeline.analysis.detection.combination import CRITICAL, WARNING, Trees
from monitoring_pipeline.analysis.detection.state import VOTERS

_SIGMAS_A_POINT = 6.0
SHIPPED = "monitoring_pipeline.analysis.detection.combination._shipped"


def distance() -> Trees:
    """One tree, a ladder: evidence whose score is the distance to what was expected, one for each six of the usual
    distances, in steps of a twentieth of one."""
    steps = np.arange(0.05, 100.0, 0.05)
    count = len(steps)
    evidence = WARNING + (CRITICAL - WARNING) * (np.append(steps, steps[-1]) / _SIGMAS_A_POINT - 2)
    below, otherwise = ~np.arange(count, dtype=np.int32), np.arange(1, count + 1, dtype=np.int32)
    otherwise[-1] = ~count
    loud = np.full(count, 2 * len(VOTERS) + VOTERS.index("level"), np.int32)
    root = np.zeros(1, np.int32)
    return Trees(root, loud, np.log(steps + 0.05), below, otherwise, evidence, 0.0, questioned=-9.0)


@pytest.fixture(autouse=True, scope="package")
def _plain_evidence() -> Iterator[None]:
    trees = distance()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SHIPPED, lambda: trees)
        yield

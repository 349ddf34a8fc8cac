"""Scoring what has passed, by the same steps as online: so both say the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.detector import Detector
from monitoring_pipeline.analysis.detection.points import Scored
from monitoring_pipeline.analysis.detection.state import Floats

__all__ = ["score_history"]


def score_history(
    detector: Detector,
    index: NDArray[np.int64],
    times: Sequence[NDArray[np.int64]],
    values: Sequence[Floats],
    trains: Sequence[NDArray[np.bool_]] | None = None,
) -> list[Scored]:
    """Scores whole histories: of each series `index` of the detector its moments (microseconds, ascending) and values,
    as if every point had just arrived; `trains` says which points are learnt (all, if nothing is said). The detector
    has learnt all of it afterwards.
    """
    if not times:
        return []
    lengths = [len(each) for each in times]
    scored = detector.update(
        np.repeat(np.asarray(index, dtype=np.int64), lengths),
        np.concatenate(list(times)),
        np.concatenate(list(values)),
        None if trains is None else np.concatenate(list(trains)),
    )
    bounds = np.cumsum(lengths)[:-1]
    return [Scored(*parts) for parts in zip(*(np.split(column, bounds) for column in scored), strict=True)]

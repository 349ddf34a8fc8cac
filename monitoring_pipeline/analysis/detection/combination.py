"""One opinion from many voters."""

from __future__ import annotations

import numpy as np

from monitoring_pipeline.analysis.detection.loudness import standing
from monitoring_pipeline.analysis.detection.memory import STREAMS, Floats, Rows
from monitoring_pipeline.analysis.detection.voters import Context, Seen

__all__ = ["evidence"]


def evidence(rows: Rows, at: Context, seen: Seen, loud: Floats) -> Floats:
    """How much speaks for an anomaly, as a logarithm of odds."""
    usual, _ = standing(rows, loud)
    above = loud - usual
    named = {name: above[place] for place, name in enumerate(STREAMS)}
    votes = [named[name] for name in ("level", "turn", "step", "unexplained", "median_step")]
    return np.asarray(3.0 * np.mean(np.clip(votes, -2.0, 2.0), axis=0) - 2.5)

"""Whether a level shift that was called online is one, seen with hindsight."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from monitoring_pipeline.analysis.detection.state import Floats

__all__ = ["Levels", "confirm_shift"]

_LEAST, _WIDEST, _NEAR = 12, 288, 0.25
_PENALTY, _SIZE = 3.0, 2.0


class Levels(NamedTuple):
    """Whether a shift is confirmed, and the levels: before it was called, and at the end of what was looked at."""

    confirmed: bool
    before: float
    after: float


def confirm_shift(values: Floats, place: int) -> Levels:
    """Whether the values (finite, without their season) have moved to another level near `place`, the place at which a
    shift was called, and are still away from the old one at the end.

    Change points by PELT (Killick et al., JASA 2012) on up to 288 values either side, with a penalty of three times
    the noise's variance times the logarithm of their number; the medians on both sides must differ by two standard
    deviations of the noise. Not confirmed where fewer than 12 values are on a side. Raises ValueError when there is
    none at all on a side.
    """
    from ruptures import KernelCPD

    start = max(0, place - _WIDEST)
    window, middle = values[start : place + _WIDEST], place - start
    if not 0 < middle < len(window):
        raise ValueError(f"nothing lies on both sides of {place} among {len(values)} values")
    unmoved = Levels(False, float(np.median(window[:middle])), float(np.median(window[middle:])))
    if min(middle, len(window) - middle) < _LEAST:
        return unmoved
    noise = float(np.median(np.abs(np.diff(window)))) / 0.9539 or 1e-9
    penalty = _PENALTY * noise**2 * float(np.log(len(window)))
    # The linear kernel is the squared distance from the mean, a thousand times as fast as ruptures' own.
    found = KernelCPD(kernel="linear", min_size=_LEAST // 2).fit(window.reshape(-1, 1)).predict(pen=penalty)
    bounds = [0, *(int(bound) for bound in found)]
    levels = [float(np.median(window[begin:end])) for begin, end in pairwise(bounds)]
    # It is called when it has begun, never before.
    near = [
        place
        for place, bound in enumerate(bounds[1:-1], 1)
        if -_LEAST // 4 <= middle - bound <= max(_LEAST, _NEAR * middle)
    ]
    if not near:
        return unmoved
    # A level that was there for a while only ends near the call as well: what counts is what was before it began.
    before, after = levels[near[0] - 1], levels[-1]
    moved = max(abs(levels[place] - levels[place - 1]) for place in near)
    return Levels(True, before, after) if min(moved, abs(after - before)) >= _SIZE * noise else unmoved

"""Whether a level shift that was called online is one, seen with hindsight."""

from __future__ import annotations

import numpy as np

from monitoring_pipeline.analysis.detection.state import Floats

__all__ = ["confirm_shift"]

_LEAST, _WIDEST, _NEAR = 12, 288, 0.25
_PENALTY, _SIZE = 3.0, 2.0


def confirm_shift(values: Floats, place: int) -> bool:
    """Whether the values (finite) have moved to another level near `place`: the place at which a shift was called.

    Change points by PELT (Killick et al., JASA 2012) on up to 288 values either side, with a penalty of three times
    the noise's variance times the logarithm of their number; the medians on both sides must differ by two standard
    deviations of the noise. False where fewer than 12 values are on a side.
    """
    from ruptures import Pelt

    start = max(0, place - _WIDEST)
    window, middle = values[start : place + _WIDEST], place - start
    if min(middle, len(window) - middle) < _LEAST:
        return False
    noise = float(np.median(np.abs(np.diff(window)))) / 0.9539 or 1e-9
    penalty = _PENALTY * noise**2 * float(np.log(len(window)))
    found = Pelt(model="l2", min_size=_LEAST // 2, jump=1).fit(window.reshape(-1, 1)).predict(pen=penalty)
    bounds = [0, *found]
    for number in range(1, len(bounds) - 1):
        before = window[bounds[number - 1] : bounds[number]]
        after = window[bounds[number] : bounds[number + 1]]
        if abs(bounds[number] - middle) > max(_LEAST, _NEAR * middle):
            continue
        if abs(float(np.median(after) - np.median(before))) >= _SIZE * noise:
            return True
    return False

"""Whether a level shift that was called online is one, seen with hindsight."""

from __future__ import annotations

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
    the variance before times the logarithm of their number; the medians of what was before and of the latter half
    since must differ by two standard deviations. Not confirmed where fewer than 12 values are on a side. Raises
    ValueError when there is none at all on a side.
    """
    from ruptures import KernelCPD

    start = max(0, place - _WIDEST)
    window, middle = values[start : place + _WIDEST], place - start
    if not 0 < middle < len(window):
        raise ValueError(f"nothing lies on both sides of {place} among {len(values)} values")
    unmoved = Levels(False, float(np.median(window[:middle])), float(np.median(window[middle:])))
    if min(middle, len(window) - middle) < _LEAST:
        return unmoved
    # Values that follow each other closely differ less from one to the next than they wander.
    wandering = 1.4826 * float(np.median(np.abs(window[:middle] - unmoved.before)))
    noise = max(float(np.median(np.abs(np.diff(window)))) / 0.9539, wandering) or 1e-9
    # The linear kernel is the squared distance from the mean, a thousand times as fast as ruptures' own; it needs
    # values near zero, for it subtracts squares from each other.
    signal = ((window - unmoved.before) / noise).reshape(-1, 1)
    fitted = KernelCPD(kernel="linear", min_size=_LEAST // 2).fit(signal)
    found = fitted.predict(pen=_PENALTY * float(np.log(len(window))))
    # It is called when it has begun, never before; a level that was there for a while only ends near the call as well.
    near = [int(bound) for bound in found[:-1] if -_LEAST // 4 <= middle - bound <= max(_LEAST, _NEAR * middle)]
    if not near:
        return unmoved
    before = float(np.median(window[: near[0]]))
    after = float(np.median(window[(middle + len(window)) // 2 :]))
    return Levels(abs(after - before) >= _SIZE * noise, before, after)

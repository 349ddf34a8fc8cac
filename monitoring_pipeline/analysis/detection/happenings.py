"""What happens to a series that is not a matter of one value: it hangs, it moves to another level, nobody measured.

- flatline: a lively series repeats one value for three times as long as it ever did lately, 12 points at least.
- level shift: the sum of deviations beyond an ordinary one (Page's CUSUM, Biometrika 1954) passes a limit; once in
  half a day. `confirm_shift` looks at it again with hindsight.
- gap: the first point after a pause of more than five intervals and twice the longest pause lately.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.memory import Rows
from monitoring_pipeline.analysis.detection.voters import Seen

__all__ = ["FLATLINE", "GAP", "LEVEL_SHIFT", "NONE", "SPIKE", "happenings"]

NONE, SPIKE, FLATLINE, LEVEL_SHIFT, GAP = range(5)
_FLAT_POINTS, _FLAT_TIMES, _LIVELY = 12, 3, 0.5
_GAP_INTERVALS, _GAP_TIMES = 5.0, 2.0
_ALLOWED, _LIMIT, _CLIP = 1.0, 40.0, 4.0


def happenings(
    rows: Rows, seen: Seen, known: NDArray[np.bool_], raised: NDArray[np.bool_], trains: NDArray[np.bool_]
) -> NDArray[np.int8]:  # fmt: skip
    """A code per point: what is rarer goes first. Reads and writes short memory; call it after `follow`."""
    codes = np.where(raised, SPIKE, NONE).astype(np.int8)
    codes[_gaps(rows, seen) & known] = GAP
    codes[_shifts(rows, seen) & known] = LEVEL_SHIFT
    codes[_flat(rows, trains) & known] = FLATLINE
    return codes


def _gaps(rows: Rows, seen: Seen) -> NDArray[np.bool_]:
    top = rows["gap_top"]
    found = seen.waited > np.maximum(_GAP_INTERVALS, _GAP_TIMES * top)
    fading = 1 / (14 * rows["a_day"])
    rows["gap_top"] = np.maximum(np.minimum(seen.waited, 100.0), top - fading * top)
    return found


def _shifts(rows: Rows, seen: Seen) -> NDArray[np.bool_]:
    resting = rows["shift_rest"] > 0
    away = np.clip(seen.level / seen.scale_level, -_CLIP, _CLIP)
    rise = np.where(resting, 0.0, np.maximum(rows["rise"] + away - _ALLOWED, 0.0))
    fall = np.where(resting, 0.0, np.maximum(rows["fall"] - away - _ALLOWED, 0.0))
    found = (rise > _LIMIT) | (fall > _LIMIT)
    rows["rise"], rows["fall"] = np.where(found, 0.0, rise), np.where(found, 0.0, fall)
    rows["shift_rest"] = np.where(found, np.maximum(rows["a_day"] / 2, 24.0), np.maximum(rows["shift_rest"] - 1, 0.0))
    return found


def _flat(rows: Rows, trains: NDArray[np.bool_]) -> NDArray[np.bool_]:
    same, top = rows["same"], rows["same_top"]
    limit = np.maximum(_FLAT_POINTS, _FLAT_TIMES * (top + 1))
    found = (same >= limit) & (same - 1 < limit) & (rows["lively"] > _LIVELY)
    ended = np.where((same == 0) & trains, np.minimum(rows["run"], limit), 0.0)
    rows["same_top"] = np.maximum(ended, top - top / (14 * rows["a_day"]))
    rows["run"] = same
    return found

"""How loud each voter usually becomes in a day: what a series does daily is no reason to wake anybody.

A threshold in standard deviations means one alarm a month for one series and twenty a day for another. So voters are
measured, in logarithms, against the loudest of each day of their own past: its mean and spread over some ten days,
the loudest of some weeks, and the loudest of the last points, which fades within the hour or so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.memory import STREAMS, Floats, Rows
from monitoring_pipeline.analysis.detection.voters import FLOOR, Context, Seen

__all__ = ["SIDED", "loudness", "remember", "roll_days", "standing"]

SIDED = 4
"""So many of the first voters are followed by side, too."""
_SILENT = float(np.log(FLOOR))
_DAYS = 10
_FADES_DAILY, _FADES = 0.07, 0.02
_RESTING = -3.0


def loudness(seen: Seen) -> Floats:
    """Logarithms of the voters by stream, shape (streams, points): upward, downward, and either."""
    loud = np.empty((len(STREAMS), seen.strange.shape[1]))
    voters = loud[2 * SIDED :]
    np.add(seen.strange, FLOOR, out=voters)
    np.log(voters, out=voters)
    loud[:SIDED] = np.where(seen.side > 0, voters[:SIDED], _SILENT)
    loud[SIDED : 2 * SIDED] = np.where(seen.side < 0, voters[:SIDED], _SILENT)
    return loud


def roll_days(rows: Rows, at: Context) -> None:
    """Closes the day of the series whose first point of a new day this is."""
    rolls = (rows["day"] != at.day) & (rows.streams("today")[-1] > _BEFORE_ANY)
    if rolls.any():
        part = Rows(rows.data[:, rolls])
        _close(part)
        rows.data[:, rolls] = part.data
    rows["day"] = at.day


def _close(rows: Rows) -> None:
    """Takes the loudest of the day into the means; a single loud day moves them as little as a rather loud one."""
    rows["days"] += 1
    first, gain = rows["days"] == 1, np.maximum(1 / rows["days"], 1 / _DAYS)
    today, usual = rows.streams("today"), rows.streams("usual")
    spread, most = rows.streams("spread"), rows.streams("most")
    clipped = np.clip(today, usual - 2.0, usual + 1.5)
    spread += np.where(first, 0.0, gain * (np.minimum(np.abs(clipped - usual), 1.5) - spread))
    usual[:] = np.where(first, today, usual + gain * (clipped - usual))
    most[:] = np.where(first, today, np.maximum(today, most - _FADES_DAILY * (most - usual)))
    today[:] = _BEFORE_ANY


_BEFORE_ANY = -9.0


def standing(rows: Rows, loud: Floats) -> tuple[Floats, Floats]:
    """The usual and the most, by stream: of the first day as it is so far, as long as there is no other."""
    usual, most = rows.streams("usual"), rows.streams("most")
    new = rows["days"] == 0
    if new.any():
        today = rows.streams("today")
        so_far = np.where(today > _BEFORE_ANY, today, loud)
        usual, most = np.where(new, so_far, usual), np.where(new, so_far, most)
    return usual, most


def remember(rows: Rows, loud: Floats, trains: NDArray[np.bool_]) -> None:
    """Takes points into the loudest of the day, where they train, and of late."""
    today, recent = rows.streams("today"), rows.streams("recent")
    np.maximum(today, loud if trains.all() else np.where(trains, loud, _BEFORE_ANY), out=today)
    recent *= 1 - _FADES
    recent += _FADES * _RESTING
    np.maximum(loud, recent, out=recent)

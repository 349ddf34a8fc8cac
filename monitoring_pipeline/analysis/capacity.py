"""When a series will reach a limit, as a range: "full in 9 to 12 days", "not within 90 days".

Two hundred futures are drawn for each series (`futures`), and the range is what eight in ten of them do.
It "reaches" the limit when at least half of them get there, it "may" when one in ten does, and otherwise it is
"not within" the horizon.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitoring_pipeline.analysis.futures import Past
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey, middle, spread

__all__ = ["Limit", "Reach", "ReachState", "find_resets", "time_to"]

_RANGE = (0.1, 0.5, 0.9)
_LEAST_STEPS = 24
_RESET_SIGMAS, _RESET_SHARE = 8.0, 0.25


@dataclass(frozen=True, slots=True)
class Limit:
    """What a series should stay below, or `above` which it should stay; `why` says who set it."""

    value: float
    above: bool = False
    why: str = ""


class ReachState(StrEnum):
    """What is known of reaching a limit."""

    REACHES = "reaches"
    MAY = "may"
    NOT_WITHIN = "not_within"
    BEYOND = "beyond"
    LEARNING = "learning"


@dataclass(frozen=True, slots=True)
class Reach:
    """When a series reaches its limit, in hours from the end of the grid.

    One in ten futures is there before `earliest`, half of them before `likely`, nine in ten before `latest`;
    None is beyond the `horizon` that was looked at. `chance` is the share of futures that get there within it.
    `per_day` is how fast it grows between emptyings lately, `resets` how often it was emptied.
    """

    key: SeriesKey
    limit: Limit
    state: ReachState
    now: float | None
    horizon: float
    earliest: float | None = None
    likely: float | None = None
    latest: float | None = None
    chance: float = 0.0
    per_day: float = 0.0
    resets: int = 0

    def within(self, hours: float) -> float:
        """The chance of getting there within so many hours, from the three quantiles."""
        if self.state is ReachState.BEYOND:
            return 1.0
        known = [(q, at) for q, at in zip(_RANGE, (self.earliest, self.likely, self.latest), strict=True) if at]
        if not known:
            return 0.0
        return float(np.interp(hours, [0.0, *(at for _, at in known)], [0.0, *(q for q, _ in known)]))


def time_to(grid: Grid, limits: Sequence[Limit], horizon_days: float = 90.0) -> list[Reach]:
    """When each series of the grid reaches its limit: one limit per row."""
    return [_reach(grid, row, limit, horizon_days * 24) for row, limit in enumerate(limits)]


def find_resets(values: Floats) -> list[int]:
    """The places of values that lie far below the one before, without coming back: emptied, rotated, restarted."""
    places = np.nonzero(~np.isnan(values))[0]
    known = values[places]
    if known.size < _LEAST_STEPS:
        return []
    steps = np.diff(known)
    usual = max(float(spread(steps)), 1e-12)
    extent = float(np.quantile(known, 0.98) - np.quantile(known, 0.02))
    deep = (steps < -_RESET_SIGMAS * usual) & (steps < -_RESET_SHARE * extent)
    found = []
    for place in np.nonzero(deep)[0] + 1:
        before, after = known[max(0, place - 3) : place], known[place : place + 3]
        if np.median(before) - np.median(after) > 0.5 * (known[place - 1] - known[place]):
            found.append(int(places[place]))
    return found


def _reach(grid: Grid, row: int, limit: Limit, horizon: float) -> Reach:
    key, sign = grid.keys[row], -1.0 if limit.above else 1.0
    values, goal = sign * grid.values[row], sign * limit.value
    known = np.nonzero(~np.isnan(values))[0]
    # Too little to learn from, or nothing lately: a source that fell silent has no future that we know.
    if known.size < _LEAST_STEPS or known[-1] < grid.steps - grid.per_day:
        return Reach(key, limit, ReachState.LEARNING, None, horizon)
    filled = np.interp(np.arange(known[0], known[-1] + 1), known, values[known])
    now = float(middle(filled[-min(3, filled.size) :]))
    if now >= goal:
        return Reach(key, limit, ReachState.BEYOND, sign * now, horizon, 0.0, 0.0, 0.0, 1.0)
    resets = [place - int(known[0]) for place in find_resets(values)]
    past = Past.of(filled, now, resets, grid.per_day)
    if past is None:
        return Reach(key, limit, ReachState.LEARNING, sign * now, horizon, resets=len(resets))
    random = np.random.default_rng(zlib.crc32(f"{key.source} {key.metric} {key.check} {key.tags}".encode()))
    count = int(np.ceil(horizon / (past.width * grid.step_hours)))
    hits = grid.step_hours * past.draw(goal - now, count, random)
    chance = float(np.mean(hits <= horizon))
    early, likely, late = (_within(float(np.quantile(hits, q, method="higher")), horizon) for q in _RANGE)
    state = ReachState.REACHES if likely is not None else ReachState.MAY if early is not None else ReachState.NOT_WITHIN
    per_day = sign * past.pace * grid.per_day
    return Reach(key, limit, state, sign * now, horizon, early, likely, late, chance, per_day, len(resets))


def _within(hours: float, horizon: float) -> float | None:
    return hours if hours <= horizon else None

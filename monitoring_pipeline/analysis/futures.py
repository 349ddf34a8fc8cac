"""Futures of one series, drawn from its past.

How they are drawn depends on what the past looks like:

- It keeps to a line: the line goes on, with a slope as uncertain as Theil-Sen's is, and around it whole
  days of the past's own deviations.
- It wanders, bends or is emptied: whole days of the past's own increments follow each other, newer ones
  more often (a block bootstrap: Kunsch, 1989). The mean increment is drawn towards none by as much as it is
  in doubt (empirical Bayes), or every random walk would fill every disk. Where the increments clearly shrink
  they go on shrinking at that rate, where they grow they go on growing.
- Sudden falls (a clean-up, a rotation) are no part of the growth. Where they are a habit they go on, at such
  heights as before, or at rising ones where each was higher than the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.series import Floats, middle

__all__ = ["Past"]

_PATHS = 200
_HALF_LIFE_DAYS = 7.0
_LEAST_HABIT, _LEAST_CLIMB = 2, 3
_WANDERS, _WIDEST = 0.5, 1.25
_BENDS, _BEND_BLOCKS = 0.6, 9


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class Past:
    """What futures are drawn from: blocks (count, width) of increments, or of deviations from a line, above now.

    `pace` is the growth per step, `doubt` its standard error. `shrink` is what is left of the pace after each
    block, `gain` what it gains. `peaks` (above now), by how much they `climb` per block, and `drops` are the
    habit of being emptied.
    """

    blocks: Floats
    weights: Floats
    pace: float
    doubt: float = 0.0
    wanders: bool = True
    shrink: float = 1.0
    gain: float = 0.0
    peaks: Floats = field(default_factory=_none)
    drops: Floats = field(default_factory=_none)
    climb: float = 0.0

    @classmethod
    def of(cls, filled: Floats, now: float, resets: Sequence[int], per_day: int) -> Past | None:
        """What the past looks like, without holes and ending at `now`; None when it is too short.

        `resets` are the places right after sudden falls.
        """
        width = per_day if filled.size >= 4 * per_day else max(1, filled.size // 8)
        line = None if resets else _line(filled, now, width, per_day)
        if line is not None:
            return line
        steps = np.diff(filled)
        falls = np.array(resets, dtype=int) - 1
        peaks, drops = filled[falls] - now, -steps[falls]
        steps = np.delete(steps, falls)
        if steps.size < 4 * width:
            return None
        blocks = steps[steps.size % width :].reshape(-1, width)
        blocks, shrink, gain = _bend(blocks)
        weights = _recency(len(blocks), width, per_day)
        pace = float((blocks.sum(axis=1) * weights).sum() / width)
        climb = _climb(falls, peaks) * width
        peaks = peaks + climb / width * (filled.size - 1 - falls)
        # Where it is higher than it ever was when it was emptied, nobody empties it any more.
        if len(peaks) < _LEAST_HABIT or peaks.max() <= 0:
            peaks, drops = _none(), _none()
        return cls(blocks, weights, pace, 0.0, True, shrink, gain, peaks, drops, climb)

    @property
    def width(self) -> int:
        return int(self.blocks.shape[1])

    def draw(self, distance: float, count: int, random: np.random.Generator) -> Floats:
        """Steps after which each drawn future of `count` blocks is there; infinite where it never is."""
        if self.wanders:
            drawn, before = self._wander(count, random)
            inside: Floats = np.cumsum(self.blocks, axis=1)
        else:
            drawn = random.choice(len(self.blocks), size=(_PATHS, count), p=self.weights)
            doubt = self.doubt * random.standard_normal((_PATHS, 1))
            # The line turns about the middle of the past, so its end is in doubt as well.
            turned = doubt * self.width * (np.arange(count) + len(self.blocks) / 2)
            before, inside = np.asarray(self.pace * self.width * np.arange(count) + turned), self.blocks
        there = before + inside.max(axis=1)[drawn] >= distance
        block, rows = np.argmax(there, axis=1), np.arange(_PATHS)
        reached = inside[drawn[rows, block]] + before[rows, block][:, None] >= distance
        steps = block * self.width + np.argmax(reached, axis=1) + 1.0
        return np.where(there.any(axis=1), steps, np.inf)

    def _wander(self, count: int, random: np.random.Generator) -> tuple[NDArray[np.intp], Floats]:
        """Which block follows which, and what each future stands at before each block, above now."""
        totals = self.blocks.sum(axis=1)
        # The pace itself is not known well: each future believes in a sample of its own of the past.
        effective = max(2, int(1 / np.sum(self.weights**2)))
        pools = random.choice(len(self.blocks), size=(_PATHS, effective), p=self.weights)
        drawn = np.take_along_axis(pools, random.integers(0, effective, size=(_PATHS, count)), 1)
        believed = totals[pools].mean(axis=1, keepdims=True)
        usual = float((totals * self.weights).sum())
        grown = usual + (totals[drawn] - usual) * _persistence(totals)
        grown = grown - (1 - self._trusted(totals, effective)) * believed
        # How much it will gain yet is guessed from a bend: by half of it or by half more.
        gain = self.gain * random.uniform(0.5, 1.5, size=(_PATHS, 1))
        grown = grown * self.shrink ** np.arange(count) + gain * np.minimum(np.arange(count), len(totals))
        if len(self.peaks):
            return drawn, self._emptied(grown, random)
        return drawn, np.cumsum(grown, axis=1) - grown

    def _trusted(self, totals: Floats, effective: int) -> float:
        """How much of the mean increment is more than chance: t^2 / (1 + t^2)."""
        mean = float((totals * self.weights).sum())
        variance = float((self.weights * (totals - mean) ** 2).sum()) / max(1, effective - 1)
        return mean**2 / (mean**2 + variance) if mean else 0.0

    def _emptied(self, grown: Floats, random: np.random.Generator) -> Floats:
        """The same when it is emptied again and again, each time where it was emptied once before."""
        levels: Floats = np.zeros_like(grown)
        now: Floats = np.zeros(len(grown))
        goal = random.choice(np.nonzero(self.peaks > 0)[0], size=len(grown))
        for number in range(grown.shape[1]):
            levels[:, number] = now
            now = np.asarray(now + grown[:, number])
            full = now >= self.peaks[goal] + self.climb * number
            now = np.where(full, now - self.drops[goal], now)
            goal = np.where(full, random.integers(0, len(self.peaks), size=len(grown)), goal)
        return levels


def _persistence(totals: Floats) -> float:
    """How far it really wanders, relative to increments that know nothing of each other: 1 for a random walk.

    The square root of the variance ratio (Lo and MacKinlay, 1988); less than 1 where what went up comes down.
    """
    count, reach = len(totals), max(2, len(totals) // 5)
    walk = np.concatenate(([0.0], np.cumsum(totals - totals.mean())))
    usual = float(np.sum((totals - totals.mean()) ** 2)) / max(1, count - 1)
    scale = reach * (count - reach + 1) * (1 - reach / count)
    if usual <= 0 or scale <= 0:
        return 1.0
    ratio = np.sqrt(np.sum((walk[reach:] - walk[:-reach]) ** 2) / scale / usual)
    # Cut off at that of a walk it would be too small on average, and so would the ranges.
    return float(min(_WIDEST, _WIDEST * ratio))


def _line(filled: Floats, now: float, width: int, per_day: int) -> Past | None:
    """The past as a line, or None where it wanders around it, or bends."""
    cut = filled[filled.size % width :]
    levels = middle(cut.reshape(-1, width))
    count = len(levels)
    early, late = np.triu_indices(count, 1)
    slope = float(np.median((levels[late] - levels[early]) / (late - early)))
    rest = levels - slope * np.arange(count)
    rest = rest - np.median(rest)
    scale = float(np.sum(rest**2))
    rho = (count * float(np.sum(rest[1:] * rest[:-1])) / scale + 1) / max(1, count - 4) if scale > 0 else 0.0
    if rho > _WANDERS:
        return None
    rho = max(0.0, rho)
    doubt = float(np.sqrt(12 * scale / max(1, count - 2) * (1 + rho) / (1 - rho))) / count**1.5
    deviations = cut - slope / width * (np.arange(cut.size) - (cut.size - 1)) - now
    blocks = deviations.reshape(-1, width) + slope / width * np.arange(1, width + 1)
    return Past(blocks, _recency(count, width, per_day), slope / width, doubt / width, wanders=False)


def _bend(blocks: Floats) -> tuple[Floats, float, float]:
    """Blocks as they would be at the present pace, what is left of it after a block, and what it gains."""
    totals, count = blocks.sum(axis=1), len(blocks)
    early, late = np.triu_indices(count, 1)
    tau = float(np.mean(np.sign(totals[late] - totals[early]))) if count > 1 else 0.0
    third = count // 3
    if count < _BEND_BLOCKS or abs(tau) < _BENDS or totals.mean() == 0:
        return blocks, 1.0, 0.0
    older, newer = float(np.median(totals[third : 2 * third])), float(np.median(totals[-third:]))
    age = np.arange(count)[::-1, None]
    if older * newer > 0 and abs(newer) < abs(older):
        shrink = (newer / older) ** (1 / (count - 2 * third))
        return blocks * shrink**age, shrink, 0.0
    if abs(newer) > abs(older):
        gain = float(np.median((totals[late] - totals[early]) / (late - early)))
        return blocks + gain * age / blocks.shape[1], 1.0, gain
    return blocks, 1.0, 0.0


def _climb(falls: NDArray[np.intp], peaks: Floats) -> float:
    """By how much the peaks rise per step, when each was higher (or lower) than the last."""
    if len(peaks) < _LEAST_CLIMB:
        return 0.0
    rises = np.diff(peaks) / np.diff(falls)
    steady = np.all(rises > 0) or np.all(rises < 0)
    return float(np.median(rises)) if steady else 0.0


def _recency(count: int, width: int, per_day: int) -> Floats:
    """Weights of blocks, adding up to 1: a week halves them."""
    ages = np.arange(count)[::-1] * width / per_day
    weights = 0.5 ** (ages / _HALF_LIFE_DAYS)
    return np.asarray(weights / weights.sum())

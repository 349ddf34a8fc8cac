"""One opinion from many voters: how much speaks for an anomaly, as a logarithm of odds.

Oblivious trees (each asks the same few questions of every point; Kohavi, 1994), boosted for the logarithm of odds
(Friedman, Annals of Statistics 2001). What they ask is free of units and of the series' identity: how loud a voter is
against its own past. They were fitted once, to labelled series of others, and are shipped as constants
(`combination.json`); nothing is fitted to labels where this runs. `bench.training` fits such constants anew.

Most points are ordinary: no voter is nearly as loud as it daily is. Those are not put before the trees, and ranked by
their loudest voter alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.loudness import SIDED, standing
from monitoring_pipeline.analysis.detection.memory import STREAMS, VOTERS, Floats, Integers, Rows
from monitoring_pipeline.analysis.detection.voters import Context, Seen

__all__ = ["QUESTIONED", "Trees", "evidence", "features"]

QUESTIONED = 0.1
"""Points are put before the trees from this loudness above the usual loudest of a day (a logarithm)."""
_ORDINARY, _LEAST = -7.0, -6.5
_FIRST = len(STREAMS) - len(VOTERS)
_PLAIN, _QUIET = -1.3, 1.65
_PLAINLY = {"level": (1.8, 0.5), "turn": (1.6, 0.3), "unexplained": (0.0, 0.6)}
"""How loud voters must at least be, and how far above the usual, for a point to stick out plainly."""
_QUICK = [_FIRST + place for place, name in enumerate(VOTERS) if name not in ("range", "mean_64", "hold_25")]


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted oblivious trees: per tree and question the feature and what it is compared with, shape (trees, depth);
    and what each combination of answers adds, shape (trees, 2 ** depth)."""

    feature: Integers
    above: Floats
    leaves: Floats
    base: float

    @classmethod
    def shipped(cls) -> Trees:
        """Those of this package."""
        return _shipped()

    def sum(self, features: Floats) -> Floats:
        """Of points, features in columns."""
        trees, depth = self.feature.shape
        chosen = np.zeros((trees, features.shape[1]), dtype=np.uint8)
        for question in range(depth):
            answers = features.take(self.feature[:, question], axis=0) > self.above[:, question, None]
            chosen <<= 1
            chosen |= answers.view(np.uint8)
        leaves = self.leaves.ravel().take(chosen + np.arange(trees)[:, None] * self.leaves.shape[1])
        return np.asarray(self.base + leaves.sum(axis=0))


@cache
def _shipped() -> Trees:
    found = json.loads(files(__package__).joinpath("combination.json").read_text())
    feature, above, leaves = (np.array(found[name]) for name in ("feature", "above", "leaves"))
    return Trees(feature, above, leaves, found["base"])


def evidence(rows: Rows, at: Context, seen: Seen, loud: Floats) -> Floats:
    """What speaks for an anomaly in each point."""
    usual, most = standing(rows, loud)
    loudest = (loud[_QUICK] - usual[_QUICK]).max(axis=0)
    found: Floats = _ORDINARY + np.clip(loudest, -3.0, QUESTIONED)
    places = np.flatnonzero(loudest > QUESTIONED)
    if len(places):
        asked = features(rows, at, seen, loud, usual, most, places)
        found[places] = np.maximum(Trees.shipped().sum(asked), np.where(_is_plain(asked), _PLAIN, _LEAST))
    return found


def _is_plain(asked: Floats) -> NDArray[np.bool_]:
    """Whether a point sticks out so much that no tree needs to be asked: six mean deviations, in a series that keeps
    within five all day, and not as it was yesterday or a week ago."""
    plain = np.ones(asked.shape[1], dtype=bool)
    for name, (least, far) in _PLAINLY.items():
        place = VOTERS.index(name)
        loud, above = asked[place], asked[len(VOTERS) + place]
        plain &= (loud > least) & (above > far)
        if least:
            plain &= loud - above < _QUIET
    return plain


def features(
    rows: Rows, at: Context, seen: Seen, loud: Floats, usual: Floats, most: Floats, places: Integers
) -> Floats:  # fmt: skip
    """What the trees may ask of the points at `places`, shape (features, places)."""
    kinds = (loud, usual, most, rows.streams("spread"), rows.streams("recent"))
    loud, usual, most, spread, recent = (each.take(places, axis=1) for each in kinds)
    side = seen.side.take(places, axis=1)
    against = [loud - usual, loud - most, loud - recent]
    by_side = [np.where(side > 0, each[:SIDED], each[SIDED:_FIRST]) for each in against]
    relative = against[0][_FIRST:] / (spread[_FIRST:] + 0.1)
    either = [each[_FIRST:] for each in (loud, *against)]
    facts = _facts(*(row.take(places) for row in _fact_rows(rows, at, seen)))
    return np.concatenate([*either, relative, *by_side, *facts, side[:3] > 0])


def _fact_rows(rows: Rows, at: Context, seen: Seen) -> tuple[Floats, ...]:
    known = (rows[name] for name in ("away", "mean", "learnt", "a_day", "same", "lively"))
    return (
        seen.level, seen.turn, seen.step, seen.unexplained, seen.expected, seen.floor, seen.deviation, seen.scale_level,
        seen.waited, at.values, *known,
    )  # fmt: skip


def _facts(
    level: Floats, turn: Floats, step: Floats, unexplained: Floats, expected: Floats, floor: Floats, deviation: Floats,
    scale: Floats, waited: Floats, values: Floats, away: Floats, mean: Floats, learnt: Floats, a_day: Floats,
    same: Floats, lively: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """How large the deviation is against the series' size and range, how long ago the last point was, and so on."""
    far = np.abs(level)
    ratios = np.stack([
        far / deviation, np.abs(step) / deviation, far / (np.abs(expected) + floor), waited, unexplained / deviation,
        np.abs(turn) / deviation, scale / deviation, np.abs(away) / scale,
    ])  # fmt: skip
    age = np.log(np.clip(learnt / a_day, 0.01, 30.0))
    return np.log(ratios + 0.01), np.stack([(values - mean) / deviation, np.log1p(same), lively, age])

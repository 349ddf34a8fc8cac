"""What an isolation forest says of a day that it did not learn from."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring_pipeline.analysis.calendars import DAY_US, HOUR_US, Calendar
from monitoring_pipeline.analysis.isolation import Isolation, isolation
from monitoring_pipeline.analysis.scoring.relearning import Past
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.store.scores import Known, Points, Span

A_DAY, STEP = 96, DAY_US // 96
FIRST = 14 * A_DAY
TIMES = STEP * np.arange(15 * A_DAY)
ALL = np.ones(len(TIMES), dtype=bool)
ODD = slice(FIRST + 40, FIRST + 60)
PLACE = slice(44, 60)


def waves(seed: int = 1) -> np.ndarray:
    hour = TIMES / HOUR_US % 24
    return 100 + 20 * np.sin(hour / 24 * 2 * np.pi) + np.random.default_rng(seed).normal(0, 2, len(TIMES))


def test_a_usual_day_is_usual_and_other_shapes_stand_out() -> None:
    usual = isolation(TIMES, waves(), ALL, FIRST, Calendar())
    assert usual.shape == (A_DAY,)
    assert np.median(usual) < 0.5
    assert (usual > 1).mean() < 0.1
    trembling = waves()
    trembling[ODD] += 25 * (-1.0) ** np.arange(20)
    stopped = waves()
    stopped[ODD] = 40
    for values in (trembling, stopped):
        assert isolation(TIMES, values, ALL, FIRST, Calendar())[PLACE].max() > 1.5


def test_the_day_that_is_judged_is_not_learnt_and_neither_is_what_was_excluded() -> None:
    strange = waves()
    strange[ODD] = 40
    whole = isolation(TIMES, strange, ALL, FIRST, Calendar())
    until = FIRST + 70
    assert isolation(TIMES[:until], strange[:until], ALL[:until], FIRST, Calendar()) == pytest.approx(whole[:70])
    before = strange.copy()
    before[FIRST - 4 * A_DAY : FIRST - 2 * A_DAY] = 40
    learnt = ALL.copy()
    learnt[FIRST - 4 * A_DAY : FIRST - 2 * A_DAY] = False
    spoilt = isolation(TIMES, before, ALL, FIRST, Calendar())[PLACE].max()
    assert isolation(TIMES, before, learnt, FIRST, Calendar())[PLACE].max() > 1.5 > spoilt


def test_too_little_and_what_never_varies_is_not_judged() -> None:
    assert np.isnan(isolation(TIMES, np.full(len(TIMES), 3.0), ALL, FIRST, Calendar())).all()
    assert np.isnan(isolation(TIMES[:240], waves()[:240], ALL[:240], 140, Calendar())).all()
    assert len(isolation(TIMES, waves(), ALL, len(TIMES), Calendar())) == 0


def test_series_pass_by_in_portions_and_only_those_are_judged_that_are_scored() -> None:
    spec = AnalysisSpec.model_validate({"series": [{"metric": "rows", "enabled": False}]})
    wanted = [Known("a", "c", "rows", "{}", ""), Known("a", "c", "depth", "{}", ""), Known("b", "c", "depth", "{}", "")]
    start, end = int(TIMES[FIRST]), int(TIMES[-1]) + 1
    found = Isolation(spec, Calendar(), start, end)
    ids = np.arange(len(TIMES))
    mixed = np.random.default_rng(2).permutation(2 * len(TIMES))
    both = Points(
        np.repeat([0, 1], len(TIMES))[mixed], np.tile(ids, 2)[mixed], np.tile(TIMES, 2)[mixed],
        np.tile(waves(), 2)[mixed],
    )  # fmt: skip
    one = Points(np.full(len(TIMES), 2), ids, TIMES, waves(3))
    nothing = Points(ids[:0], ids[:0], ids[:0], waves()[:0])
    past = Past(spans=[Span("b", start - 15 * DAY_US, start)])
    assert list(found.watch(iter([both, nothing, one]), wanted, past)) == [both, nothing, one]
    # `relearn` numbers what is scored: `depth` of a is 0, and of b, where nothing is to be learnt from, 1.
    asked = TIMES[FIRST + 5 : FIRST + 8]
    votes = found.votes(np.array([0, 1, 0]), asked)
    assert votes[[0, 2]] == pytest.approx(isolation(TIMES, waves(), ALL, FIRST, Calendar())[[5, 7]])
    assert np.isnan(votes[1])
    assert np.isnan(found.votes(np.array([0, 7]), np.array([int(asked[0]) + 1, int(asked[0])]))).all()

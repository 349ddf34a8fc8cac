"""Predictions are calibrated, better than own rates out of time, and silent about what nobody can know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.fleets import Simulated, simulate
from bench.synthetic import MONDAY, hourly, noise
from monitoring_pipeline.analysis.capacity import Limit, Reach, ReachState
from monitoring_pipeline.analysis.patterns.pattern import Pattern, PatternKind
from monitoring_pipeline.analysis.prediction.features import FEATURES, base_chance, features, outcomes
from monitoring_pipeline.analysis.prediction.fleet import Fleet, build_fleet, strangeness
from monitoring_pipeline.analysis.prediction.model import Model, brier, learn, predict
from monitoring_pipeline.analysis.prediction.risk import Evidence, Risk, assess, system_risk
from monitoring_pipeline.analysis.series import SeriesKey
from monitoring_pipeline.clock import to_us

DAYS, CUT = 42, 31 * 24
NOTHING = Evidence({}, {})


def fleet_of(made: Simulated) -> Fleet:
    return build_fleet(made.sources, MONDAY, made.grid.steps, made.changes, strangeness(made.grid), made.upstream)


def until(fleet: Fleet, hours: int) -> Fleet:
    """The same as it was known then."""
    arrays = ("onsets", "critical", "warning", "unknown", "strange", "metric")
    return replace(fleet, **{name: getattr(fleet, name)[:, :hours] for name in arrays})


@pytest.fixture(scope="module")
def made() -> Simulated:
    return simulate(200, DAYS)


@pytest.fixture(scope="module")
def fleet(made: Simulated) -> Fleet:
    return fleet_of(made)


@pytest.fixture(scope="module", params=[1, 24])
def model(request: pytest.FixtureRequest, fleet: Fleet) -> Model:
    return learn(until(fleet, CUT), request.param)


def judged(fleet: Fleet, model: Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, own rates and what came, in the hours it did not learn from."""
    columns = range(CUT, fleet.hours - model.horizon)
    came = outcomes(fleet, model.horizon)[:, CUT : fleet.hours - model.horizon]
    said = predict(model, fleet, columns)
    known = ~np.isnan(came) & ~np.isnan(said)
    return said[known], base_chance(fleet, model.horizon)[:, columns][known], came[known]


def test_predictions_are_better_than_own_rates_out_of_time(fleet: Fleet, model: Model):
    said, own, came = judged(fleet, model)

    assert model.used
    assert model.skill is not None
    assert model.skill.skill > 0.02
    assert 1 - brier(said, came) / brier(own, came) > 0.02


def test_what_is_said_to_be_likely_is(fleet: Fleet, model: Model):
    said, _, came = judged(fleet, model)

    assert said.mean() == pytest.approx(came.mean(), rel=0.25)
    likely = said >= 0.5
    if likely.sum() >= 100:
        assert came[likely].mean() == pytest.approx(said[likely].mean(), abs=0.2)


def test_the_past_alone_makes_features(fleet: Fleet):
    whole, cut = features(fleet, 24), features(until(fleet, CUT), 24)

    assert np.array_equal(whole[:, :CUT], cut)
    assert whole.shape == (200, fleet.hours, len(FEATURES))


def test_strangeness_knows_no_future(made: Simulated):
    some = made.grid.pick(range(20))
    changed = replace(some, values=np.concatenate([some.values[:, :CUT], some.values[:, CUT:] * 3], axis=1))

    assert np.array_equal(strangeness(some).z[:, :CUT], strangeness(changed).z[:, :CUT], equal_nan=True)


def test_failures_that_chance_makes_cannot_be_predicted_and_nobody_pretends():
    made = simulate(120, DAYS, seed=3, kinds={"random": 1.0})
    fleet = fleet_of(made)

    for horizon in (1, 24):
        model = learn(until(fleet, CUT), horizon)
        said, own, came = judged(fleet, model)
        assert 1 - brier(said, came) / brier(own, came) > -0.02
        assert said.mean() == pytest.approx(came.mean(), rel=0.3)


def test_few_failures_teach_nothing():
    made = simulate(10, 28, seed=4, kinds={"calm": 1.0})
    fleet = fleet_of(made)
    model = learn(fleet, 24)

    assert not model.used
    assert model.skill is None
    assert np.array_equal(predict(model, fleet)[:, 0], base_chance(fleet, 24)[:, -1], equal_nan=True)


def test_what_is_critical_or_unknown_has_no_chance_but_a_risk_or_none():
    at = to_us(MONDAY)
    changes = [("well", at, "healthy"), ("down", at, "healthy"), ("down", at + 3_600_000_000, "critical")]
    fleet = build_fleet(["well", "down", "silent"], MONDAY, 48, changes)
    found = {risk.source: risk for risk in assess(fleet, learn(fleet, 1), learn(fleet, 24), NOTHING)}

    assert (found["down"].risk, found["down"].chance_24h, found["down"].status) == (100.0, None, "critical")
    assert (found["silent"].risk, found["silent"].chance_24h, found["silent"].status) == (None, None, "unknown")
    assert found["well"].risk is not None


def test_recommendations_come_with_evidence_and_not_without():
    at = to_us(MONDAY)
    fleet = build_fleet(["a", "b"], MONDAY, 48, [("a", at, "healthy"), ("b", at, "healthy")])
    key = SeriesKey("a", "disk_percent", unit="%")
    reach = Reach(key, Limit(95), ReachState.REACHES, 90, 2160, 20, 30, 50, 1.0, 4.0)
    periodic = Pattern(
        PatternKind.PERIODIC, "a", "fails daily around 03:00: 9 of 9", 1e-9, 9, 9, 0.1, detail={"when": "daily"}
    )
    evidence = Evidence({"a": [reach]}, {"a": [periodic]})
    found = {risk.source: risk for risk in assess(fleet, learn(fleet, 1), learn(fleet, 24), evidence)}

    texts = [action.text for action in found["a"].actions]
    assert any("make room" in text for text in texts)
    assert any("look for what runs daily" in text for text in texts)
    assert all(action.because for action in found["a"].actions)
    assert found["a"].risk is not None
    assert found["b"].risk is not None
    assert found["a"].risk > found["b"].risk
    assert "disk_percent may reach 95 within a day" in found["a"].reasons
    assert found["b"].actions == ()


def test_one_that_is_sure_to_fail_cannot_hide_among_many():
    many = [Risk(f"s{n}", MONDAY, "healthy", 1.0, 0.0, 0.01, 0.01) for n in range(999)]
    bad = Risk("bad", MONDAY, "critical", 100.0, None, None, 0.01)

    alone = system_risk(many, {}, MONDAY)
    among = system_risk([*many, bad], {"bad": 8.0}, MONDAY)

    assert alone.risk == pytest.approx(1.0)
    assert among.risk is not None
    assert among.risk > 25
    assert among.top[0] == "bad"
    assert system_risk([], {}, MONDAY).risk is None


def test_a_fleet_begins_with_how_its_sources_stood():
    at = to_us(MONDAY)
    hour = 3_600_000_000
    changes = [("a", at - hour, "critical"), ("a", at + 5 * hour, "warning"), ("gone", at, "critical")]
    fleet = build_fleet(["a"], MONDAY, 8, changes)

    assert fleet.critical[0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert fleet.warning[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert fleet.onsets.sum() == 0


def test_strange_is_what_is_far_from_normal():
    values = 100 + noise(2, 14)
    values[0, -4:] += 30

    z = strangeness(hourly(values)).z

    assert z[0, -1] > 10
    assert abs(z[1, -1]) < 3
    assert np.isnan(z[:, : 5 * 24]).all()

"""What the detector promises about series whose truth is known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.detection import FLATLINE, GAP, LEVEL_SHIFT, Detector, Scored, score_history
from tests.analysis.detection.series import (
    CALM,
    SPRING,
    Series,
    drifting,
    gauge,
    moments,
    wall_hours,
    with_flatline,
    with_gaps,
    with_outage,
    with_restarts,
    with_shift,
    with_spikes,
)

_INTERVAL = timedelta(minutes=10)
_DAYS = 28
"""Summer time begins in Berlin on the twentieth."""
_EACH = 6


def _scored(many: list[Series]) -> list[Scored]:
    detector = Detector(Calendar("Europe/Berlin"))
    index = detector.add(len(many))
    return score_history(detector, index, [each.times for each in many], [each.values for each in many])


def _calm() -> Iterator[Series]:
    """Every kind of series in which nothing happens, whole, with gaps, with an outage; counters restarted."""
    rng = np.random.default_rng(7)
    times = moments(_DAYS, interval=_INTERVAL, start=SPRING)
    for name, make in CALM.items():
        for number in range(_EACH):
            series = make(rng, times)
            yield series
            yield with_gaps(series, rng)
            if number == 0:
                yield with_outage(series, timedelta(days=12), timedelta(hours=9))
                if name == "counter":
                    yield with_restarts(series, rng)


def _spiky() -> list[Series]:
    rng = np.random.default_rng(8)
    times = moments(_DAYS, interval=_INTERVAL, start=SPRING)
    return [
        with_spikes(make(rng, times), rng, count=3, sigmas=8) for make in (gauge, _wave, drifting) for _ in range(40)
    ]


def _shifted() -> list[Series]:
    rng = np.random.default_rng(9)
    times = moments(_DAYS, interval=_INTERVAL, start=SPRING)
    return [with_shift(gauge(rng, times), sigmas=8) for _ in range(_EACH)]


def _happening() -> list[Series]:
    """A flat line, and an outage."""
    series = gauge(np.random.default_rng(3), moments(_DAYS, interval=_INTERVAL, start=SPRING))
    return [
        with_flatline(series, timedelta(hours=12)),
        with_outage(series, timedelta(days=15), timedelta(hours=5)),
    ]


Group = list[tuple[Series, Scored]]


@pytest.fixture(scope="module")
def groups() -> dict[str, Group]:
    """All series by what happens in them, scored by one detector: a step costs as much for one as for hundreds."""
    many = {"calm": list(_calm()), "spiky": _spiky(), "shifted": _shifted(), "happening": _happening()}
    scored = iter(_scored([series for group in many.values() for series in group]))
    return {name: [(series, next(scored)) for series in group] for name, group in many.items()}


@pytest.fixture(scope="module")
def calm(groups: dict[str, Group]) -> Group:
    return groups["calm"]


def test_calm_series_alarm_at_most_once_in_fifty_days(calm: Group) -> None:
    alarms = sum(int(scored.is_alert.sum()) for _, scored in calm)
    days = sum(series.days for series, _ in calm)
    assert alarms / days <= 0.02


def test_calm_series_are_never_critical(calm: Group) -> None:
    assert sum(int(scored.is_critical.sum()) for _, scored in calm) <= len(calm) // 50


def _wave(rng: np.random.Generator, times: np.ndarray) -> Series:
    """A day's wave by the clock on the wall, with noise of one size."""
    calm = gauge(rng, times, level=200.0, noise=3.0)
    hour, _ = wall_hours(times)
    return replace(calm, values=calm.values + 60 * np.sin(hour / 24 * 2 * np.pi))


def test_ninety_nine_of_a_hundred_large_spikes_are_caught_at_once(groups: dict[str, Group]) -> None:
    caught = [bool(scored.score[at] >= 2) for series, scored in groups["spiky"] for at in series.events]
    assert np.mean(caught) >= 0.99


def test_a_level_shift_is_one_event(groups: dict[str, Group]) -> None:
    for series, scored in groups["shifted"]:
        place = series.events[0]
        assert (scored.event[place : place + 50] == LEVEL_SHIFT).sum() == 1
        assert (scored.event == LEVEL_SHIFT).sum() == 1
        assert scored.is_alert[place - 1 : place + 12].any()
        assert scored.is_alert[place:].sum() <= 2


@pytest.mark.parametrize(("number", "code"), [(0, FLATLINE), (1, GAP)])
def test_other_events_have_codes_of_their_own(groups: dict[str, Group], number: int, code: int) -> None:
    _, scored = groups["happening"][number]
    assert (scored.event == code).sum() == 1

"""The bank of detectors: the same scores however points are dealt out, kept and restored."""

import io

import numpy as np
import pytest

from monitoring_pipeline.analysis.calendars import DAY_US, Calendar
from monitoring_pipeline.analysis.detection import Detector, Scored, score_history

_START = 20_500 * DAY_US


def _past(series: int, points: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Moments and values, shape (points, series): waves with noise, outliers and some that are no numbers."""
    rng = np.random.default_rng(seed)
    times = _START + np.arange(points, dtype=np.int64)[:, None] * 1_800_000_000 + np.zeros(series, np.int64)
    wave = 10 * np.sin(times / DAY_US * 2 * np.pi)
    values = 50 + wave * np.arange(series) + rng.standard_normal((points, series))
    values[rng.random(values.shape) < 0.01] += 40
    values[rng.random(values.shape) < 0.01] = np.nan
    return times, values


def _run(detector: Detector, times: np.ndarray, values: np.ndarray, begin: int = 0) -> list[Scored]:
    everyone = np.arange(values.shape[1])
    trains = np.ones(values.shape[1], dtype=bool)
    return [detector.update(everyone, times[row], values[row], trains) for row in range(begin, len(times))]


def _scores(found: list[Scored], name: str = "score") -> np.ndarray:
    return np.stack([getattr(each, name) for each in found])


def test_scores_are_the_same_for_all_at_once_and_one_by_one() -> None:
    times, values = _past(4, 300)
    together = Detector()
    together.add(4)
    found = _run(together, times, values)
    alone = Detector()
    alone.add(4)
    for series in (2, 0, 3, 1):
        for row in range(len(times)):
            one = alone.update(np.array([series]), times[row, [series]], values[row, [series]], np.array([True]))
            for name in Scored._fields:
                np.testing.assert_allclose(
                    getattr(one, name)[0], getattr(found[row], name)[series], rtol=1e-9, atol=1e-9
                )


def test_history_scores_as_online() -> None:
    times, values = _past(3, 300)
    online = Detector()
    online.add(3)
    found = _run(online, times, values)
    batch = Detector()
    index = batch.add(3)
    lengths = (300, 120, 250)
    scored = score_history(
        batch, index, [times[:n, k] for k, n in enumerate(lengths)], [values[:n, k] for k, n in enumerate(lengths)]
    )
    for series, length in enumerate(lengths):
        for name in ("score", "expected", "is_alert", "event"):
            expected = _scores(found, name)[:length, series]
            np.testing.assert_allclose(getattr(scored[series], name), expected, rtol=1e-9, atol=1e-9)


def test_points_that_are_many_are_taken_in_threads_with_the_same_scores() -> None:
    times, values = _past(60, 400)
    online, batch = Detector(), Detector()
    online.add(60)
    found = _run(online, times, values)
    index = np.tile(batch.add(60), len(times))
    assert len(index) > 20_000
    scored = batch.update(index, times.ravel(), values.ravel())
    for name in Scored._fields:
        np.testing.assert_array_equal(getattr(scored, name), _scores(found, name).ravel())
    for name, array in online.to_arrays().items():
        np.testing.assert_array_equal(batch.to_arrays()[name], array)


@pytest.mark.parametrize("stop", [3, 9, 40, 200])
def test_a_restart_changes_nothing(stop: int) -> None:
    times, values = _past(3, 300)
    steady, before = Detector(Calendar("Europe/Berlin")), Detector(Calendar("Europe/Berlin"))
    steady.add(3)
    before.add(3)
    found = _run(steady, times, values)
    _run(before, times[:stop], values[:stop])
    file = io.BytesIO()
    np.savez(file, **before.to_arrays())
    file.seek(0)
    after = Detector.from_arrays(dict(np.load(file)))
    again = _run(after, times, values, stop)
    np.testing.assert_array_equal(_scores(again), _scores(found)[stop:])


def test_series_may_join_later() -> None:
    times, values = _past(2, 200)
    late = Detector()
    late.add(1)
    _run(late, times[:50, :1], values[:50, :1])
    late.add(1)
    found = _scores(_run(late, times[50:], values[50:]))
    alone = Detector()
    alone.add(1)
    expected = _scores(_run(alone, times[50:, 1:], values[50:, 1:]))
    np.testing.assert_allclose(found[:, 1], expected[:, 0], rtol=1e-9, atol=1e-9)


def test_what_does_not_train_is_scored_and_not_learnt() -> None:
    times, _ = _past(1, 240)
    values = 50 + np.random.default_rng(2).standard_normal(times.shape)
    detector = Detector()
    index = detector.add(1)
    _run(detector, times[:200], values[:200])
    known = detector.to_arrays()["table.profile"].copy()
    scored = [detector.update(index, times[row], np.array([500.0]), np.array([False])) for row in range(200, 240)]
    assert scored[0].score[0] > 2
    assert _scores(scored, "expected").max() < 60
    np.testing.assert_array_equal(detector.to_arrays()["table.profile"], known)


def test_learning_is_said_and_nothing_alarms_meanwhile() -> None:
    times, values = _past(1, 60)
    values[:] = np.where(np.arange(60)[:, None] % 7 == 0, 1e6, values)
    detector = Detector()
    detector.add(1)
    found = _run(detector, times, values)
    assert _scores(found, "learning")[:40].all()
    assert not _scores(found, "is_alert")[:40].any()
    assert (_scores(found)[:40] == 0).all()


def test_a_value_that_is_no_number_is_passed_over() -> None:
    detector = Detector()
    index = detector.add(2)
    scored = detector.update(index, np.full(2, _START), np.array([np.nan, 1.0]), np.ones(2, dtype=bool))
    assert scored.score[0] == 0
    assert np.isnan(scored.expected[0])
    assert scored.expected[1] == 1.0


def test_the_state_of_another_version_is_refused() -> None:
    arrays = Detector().to_arrays()
    arrays["layout"] = np.array("level:1")
    with pytest.raises(ValueError, match="another version"):
        Detector.from_arrays(arrays)


@pytest.mark.parametrize("bad", [{"factor": 0.0}, {"budget": -1.0}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Detector().add(1, **bad)

"""Burn rates as samples: told when they move, ended with a zero, and told once more by whoever follows a dead one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring_pipeline.analysis.sla.burning import burn_samples, note_burning
from tests.analysis.sla.promising import Past, at, past

HOUR = 100.0
MINUTE = 1 / 60


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Past]:
    objectives = {"up": {"source": "db", "target": "99%"}, "works": {
        "source": "db", "kind": "success_rate", "target": "90%"}}  # fmt: skip
    with past(f"sqlite:///{tmp_path}/hot.db", tmp_path, objectives, "db") as found:
        found.status("db", (0, "healthy"), (HOUR, "critical"), (HOUR + 0.1, "healthy"))
        yield found


def told(here: Past, hour: float, *, dies: bool = False) -> dict[str, float]:
    burning = burn_samples(here.room, at(hour))
    if burning.samples and not dies:
        with here.store.write() as connection:
            note_burning(connection, burning)
    return {sample.metric: sample.value for sample in burning.samples}


def test_what_does_not_burn_is_not_told(here: Past) -> None:
    assert told(here, HOUR - 1) == {}


def test_an_episode_is_told_while_it_moves_and_ends_with_zeros(here: Past) -> None:
    assert told(here, HOUR + 0.05) == {
        "burn.up.5m": pytest.approx(60), "burn.up.30m": pytest.approx(10), "burn.up.1h": pytest.approx(5),
        "burn.up.6h": pytest.approx(5 / 6, rel=1e-4), "burn.up.3d": pytest.approx(5 / 72, rel=1e-4),
    }  # fmt: skip
    assert told(here, HOUR + 0.05 + MINUTE / 60) == {}, "a second later nothing has moved by a hundredth"
    assert set(told(here, HOUR + 0.09)) == {f"burn.up.{window}" for window in ("5m", "30m", "1h", "6h", "3d")}
    told(here, HOUR + 0.1)
    assert told(here, HOUR + 0.14)["burn.up.5m"] < 100
    over = told(here, HOUR + 0.2)
    assert over["burn.up.5m"] == 0
    assert "burn.up.5m" not in told(here, HOUR + 0.21), "a zero is told once"
    assert told(here, HOUR + 0.22) == {}, "nothing moves"
    assert set(told(here, HOUR + 0.5)) == {"burn.up.30m", "burn.up.1h", "burn.up.6h", "burn.up.3d"}
    assert told(here, HOUR + 200) == {f"burn.up.{window}": 0 for window in ("30m", "1h", "6h", "3d")}
    assert told(here, HOUR + 201) == {}


def test_whoever_follows_a_dead_process_tells_the_end_too(here: Past) -> None:
    first = told(here, HOUR + 0.05, dies=True)
    assert told(here, HOUR + 0.05) == first
    end = told(here, HOUR + 0.2, dies=True)
    assert end["burn.up.5m"] == 0
    assert told(here, HOUR + 0.2) == end


def test_the_end_of_what_was_unknown_meanwhile_is_told(here: Past) -> None:
    assert told(here, HOUR + 0.05)["burn.up.5m"] == pytest.approx(60)
    here.gap("db", HOUR + 0.06, HOUR + 0.3, 30)
    assert "burn.up.5m" not in told(here, HOUR + 0.3)
    assert told(here, HOUR + 0.45)["burn.up.5m"] == 0


def test_where_checks_are_counted_long_windows_are_looked_at_every_ten_minutes(here: Past) -> None:
    for number in range(60):
        here.result("db", HOUR - 1 + number / 60, "critical" if number > 50 else "healthy")
    short = {"burn.works.5m", "burn.works.30m", "burn.works.1h"}
    assert set(told(here, HOUR + 1 * MINUTE)) & {"burn.works.6h", "burn.works.3d", *short} == short
    assert {"burn.works.6h", "burn.works.3d"} <= set(told(here, HOUR + 10 * MINUTE))


def test_without_objectives_nothing_is_asked(here: Past) -> None:
    here.promise({})
    assert told(here, HOUR) == {}

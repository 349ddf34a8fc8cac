"""The strip of the last hour, from status changes and gaps in a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Gap, GapReason, Source, Status
from monitoring_pipeline.reports import overview
from monitoring_pipeline.reports.timeline import PARTS, timeline
from monitoring_pipeline.store import slots, states
from monitoring_pipeline.store.operational import OperationalStore

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
H, W, C, U = Status.HEALTHY, Status.WARNING, Status.CRITICAL, Status.UNKNOWN


@pytest.fixture
def store(tmp_path):
    found = OperationalStore.open(f"sqlite:///{tmp_path / 'store.db'}", NOW - timedelta(days=1))
    yield found
    found.close()


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def lived(store, *changes: tuple[float, Status], before: Status = U, checked: float = 0.1, gap=None) -> list:
    """The strip of a source with these changes (minutes ago, status), last checked minutes ago."""
    status, since = changes[-1][1], to_us(ago(changes[-1][0]))
    source = {
        "id": "s", "status": status.value, "since": since, "score": None, "reason": "", "unreachable": 0,
        "breaker": "closed", "breaker_until": None, "breaker_opened": 0,
    }  # fmt: skip
    check = {
        "key": "s/c", "source": "s", "check_id": "c", "kind": "tcp", "critical": True, "enabled": True,
        "schedule": "", "interval_us": 30_000_000, "next_slot": to_us(ago(checked)) + 30_000_000,
        "claimed_slot": None, "claimed_by": None, "interruptions": 0, "status": status.value, "since": since,
        "last_slot": to_us(ago(checked)), "last_finished": to_us(ago(checked)), "response_time_ms": 1.0,
        "message": "", "failures": 0,
    }  # fmt: skip
    rows = []
    for minutes, after in changes:
        rows.append(
            {
                "source": "s", "at": to_us(ago(minutes)), "before": before.value, "after": after.value,
                "score": None, "reason": "",
            }
        )  # fmt: skip
        before = after
    with store.write() as connection:
        states.insert_sources(connection, [source])
        states.insert_checks(connection, [check])
        states.insert_changes(connection, rows)
        if gap is not None:
            slots.insert_gaps(connection, [Gap("s", "c", ago(gap[0]), ago(gap[1]), 9, GapReason.NOT_RUNNING)])
    found = timeline(store, overview(store, [Source("s")], [], NOW))
    assert found.part == timedelta(minutes=2)
    assert len(found.strips["s"]) == PARTS
    return list(found.strips["s"])


def test_a_status_older_than_the_window_fills_it(store):
    assert lived(store, (600, H)) == [H] * 30


def test_each_part_shows_its_worst(store):
    strip = lived(store, (600, H), (10.2, C), (9.9, H))
    assert strip == [H] * 24 + [C] + [H] * 5


def test_a_status_lasts_until_the_next(store):
    assert lived(store, (600, H), (20.4, W), (4.4, C)) == [H] * 19 + [W] * 8 + [C] * 3


def test_before_the_first_result_there_is_nothing(store):
    assert lived(store, (8.4, H)) == [None] * 25 + [H] * 5


def test_a_first_change_in_the_window_tells_what_was_before(store):
    assert lived(store, (8.4, C), before=H) == [H] * 25 + [C] * 5


def test_a_gap_is_unknown_and_hides_nothing_worse(store):
    strip = lived(store, (600, H), (20.2, C), (19.9, H), gap=(24.2, 16.2))
    assert strip == [H] * 17 + [U, U, C, U, U] + [H] * 8


def test_what_nobody_looked_at_since_is_unknown(store):
    assert lived(store, (600, H), checked=10.4) == [H] * 24 + [U] * 6


def test_a_source_without_results_has_an_empty_strip(store):
    found = timeline(store, overview(store, [Source("new")], [], NOW))
    assert found.strips["new"] == (None,) * PARTS


def test_the_strip_stands_still_within_a_part(store):
    lived(store, (600, H), (20.4, W))
    strips = {
        timeline(store, overview(store, [Source("s")], [], NOW + timedelta(seconds=s))).strips["s"] for s in (0, 20, 60)
    }
    assert len(strips) == 1

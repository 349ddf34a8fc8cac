"""Dagster's own steps become attempts: real runs on an instance in memory, and a server that takes what they say."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from monitoring_pipeline.collection import CollectionTracker
from monitoring_pipeline.dagster_hooks import BYTES, QUALITY, ROWS, collection_hooks
from tests.collection.conftest import Desk


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def test_an_asset_reports_what_its_metadata_says(desk: Desk, tracker: CollectionTracker, instance):
    @dg.asset(hooks=collection_hooks("orders-loader", source="orders-db", tracker=tracker))
    def orders() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={ROWS: 1200, BYTES: 5_000_000, QUALITY: 99.5})

    assert dg.materialize([orders], instance=instance).success
    assert tracker.flush()
    [attempt] = desk.attempts
    assert (attempt["collector"], attempt["source"], attempt["success"]) == ("orders-loader", "orders-db", True)
    assert (attempt["rows"], attempt["bytes"], attempt["quality"]) == (1200, 5_000_000, 99.5)
    assert attempt["duration_ms"] >= 0
    assert attempt["started"] <= attempt["finished"]
    assert attempt["tags"]["step"] == "orders"


def test_a_job_reports_every_op_under_its_name_and_a_failure_with_its_error(desk, tracker, instance):
    @dg.op(out={"one": dg.Out(), "two": dg.Out()})
    def fetch():
        yield dg.Output(1, "one", metadata={ROWS: 3, QUALITY: 90})
        yield dg.Output(2, "two", metadata={ROWS: 4, QUALITY: 80})

    @dg.op
    def parse(one: int, two: int) -> None:
        raise UnicodeDecodeError("utf-8", b"x", 0, 1, "bad byte")

    @dg.op
    def plain() -> None:
        pass

    @dg.job(hooks=collection_hooks(tracker=tracker))
    def nightly():
        parse(*fetch())
        plain()

    result = nightly.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert tracker.flush()
    found = {attempt["collector"]: attempt for attempt in desk.attempts}
    assert {name: attempt["success"] for name, attempt in found.items()} == {
        "fetch": True, "parse": False, "plain": True,
    }  # fmt: skip
    assert (found["fetch"]["rows"], found["fetch"]["quality"]) == (7, 80)
    assert found["parse"]["check_type"] == "parsing"
    assert "bad byte" in found["parse"]["error"]
    assert found["parse"]["tags"]["job"] == "nightly"
    assert "rows" not in found["plain"]


def test_a_hook_never_fails_the_step(desk: Desk, tracker: CollectionTracker, instance):
    @dg.asset(hooks=collection_hooks(tracker=tracker))
    def odd() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={ROWS: "plenty", QUALITY: "good"})

    assert dg.materialize([odd], instance=instance).success
    assert tracker.flush()
    assert [(attempt["collector"], attempt["success"]) for attempt in desk.attempts] == [("odd", True)]

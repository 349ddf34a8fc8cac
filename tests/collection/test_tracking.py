"""What collectors call: every way to report, and that none of them can hurt."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from monitoring_pipeline.collection import CollectionResult, CollectionTracker, track_collection_attempt, tracking
from tests.collection.conftest import Desk


def test_it_needs_the_standard_library_only():
    code = (
        "import sys, json; import monitoring_pipeline.collection as c; t = c.CollectionTracker('http://127.0.0.1:9');"
        "t.track('a', True); t.close(0); from monitoring_pipeline.collection import spool;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))))"
    )
    found = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(found) == ["__main__", "monitoring_pipeline"]


def test_all_fields_arrive(desk: Desk, tracker: CollectionTracker):
    moment = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
    result = CollectionResult(
        success=False, source="orders-db", rows=12, bytes=3400, duration_ms=81.5, quality=97.5, error="half of it",
        check_type="schema", started=moment, finished=moment, tags={"region": "eu"},
    )  # fmt: skip
    tracker.track("orders-loader", result)
    assert tracker.flush()
    [attempt] = desk.attempts
    assert len(attempt.pop("key")) == 32
    assert attempt == {
        "collector": "orders-loader", "source": "orders-db", "success": False, "rows": 12, "bytes": 3400,
        "duration_ms": 81.5, "quality": 97.5, "error": "half of it", "check_type": "schema", "tags": {"region": "eu"},
        "started": "2026-11-30T12:00:00.250000+00:00", "finished": "2026-11-30T12:00:00.250000+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "success", "error"),
    [
        (True, True, None),
        (False, False, None),
        ({"rows": 3}, True, None),
        ({"error": "no"}, False, "no"),
        (ValueError("odd"), False, "ValueError: odd"),
        (TimeoutError(), False, "TimeoutError"),
    ],
)
def test_short_forms(desk: Desk, tracker: CollectionTracker, given, success, error):
    tracker.track("loader", given)
    assert tracker.flush()
    assert (desk.attempts[0]["success"], desk.attempts[0].get("error")) == (success, error)


@pytest.mark.parametrize(
    ("error", "check_type"),
    [
        (ConnectionRefusedError(), "connectivity"),
        (TimeoutError(), "connectivity"),
        (json.JSONDecodeError("bad", "x", 0), "parsing"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), "parsing"),
        (KeyError("id"), None),
    ],
)
def test_an_exception_tells_which_part_failed(desk: Desk, tracker: CollectionTracker, error, check_type):
    tracker.track("loader", error)
    assert tracker.flush()
    assert desk.attempts[0].get("check_type") == check_type


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        42,
        {"rowz": 3},
        CollectionResult(quality=float("nan")),
        CollectionResult(rows="many"),  # type: ignore[arg-type]
        CollectionResult(check_type="weather"),
        CollectionResult(tags=object()),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_logged_and_never_raised(desk: Desk, tracker: CollectionTracker, nonsense, caplog):
    with caplog.at_level(logging.WARNING):
        tracker.track("loader", nonsense)
        tracker.track("loader", nonsense)
    tracker.track("", True)
    assert tracker.flush()
    assert desk.attempts == []
    assert len(caplog.records) == 1
    assert "is not reported" in caplog.text


def test_without_an_url_nothing_happens(caplog, monkeypatch):
    monkeypatch.delenv("BUSTA_URL", raising=False)
    monkeypatch.setattr(tracking, "_shared", {})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            track_collection_attempt("loader", True)
    assert caplog.messages == ["reporting collection attempts: nothing is reported: BUSTA_URL is not set"]


def test_the_environment_says_where_to(desk: Desk, monkeypatch):
    monkeypatch.setenv("BUSTA_URL", f"{desk.url}/")
    monkeypatch.setenv("BUSTA_TOKEN", "secret")
    monkeypatch.setattr(tracking, "_shared", {})
    track_collection_attempt("loader", True)
    assert tracking.flush_collection_attempts()
    assert len(desk.attempts) == 1
    assert desk.headers[0]["Authorization"] == "Bearer secret"


def test_a_context_measures_and_lets_exceptions_through(desk: Desk, tracker: CollectionTracker):
    with tracker.collecting("loader", source="orders-db") as attempt:
        attempt.rows = 5
    with pytest.raises(ConnectionResetError), tracker.collecting("loader"):
        raise ConnectionResetError("gone")
    assert tracker.flush()
    good, bad = desk.attempts
    assert (good["success"], good["rows"], good["source"]) == (True, 5, "orders-db")
    assert good["duration_ms"] >= 0
    assert good["started"] <= good["finished"]
    assert (bad["success"], bad["error"], bad["check_type"]) == (False, "ConnectionResetError: gone", "connectivity")


def test_a_misspelt_field_does_not_stop_the_collector(desk: Desk, tracker: CollectionTracker, caplog):
    with tracker.collecting("loader", sauce="orders-db") as attempt:
        attempt.rows = 1
    assert tracker.flush()
    assert [attempt["rows"] for attempt in desk.attempts] == [1]
    assert "no sauce" in caplog.text


def test_leaving_early_is_no_failure(desk: Desk, tracker: CollectionTracker):
    @tracker.collector("pages")
    def pages():
        yield from range(10)

    for page in pages():
        if page == 3:
            break
    with pytest.raises(SystemExit), tracker.collecting("program"):
        sys.exit(0)
    with pytest.raises(KeyboardInterrupt), tracker.collecting("interrupted"):
        raise KeyboardInterrupt
    assert tracker.flush()
    assert {attempt["collector"]: attempt["success"] for attempt in desk.attempts} == {
        "pages": True, "program": True, "interrupted": False,
    }  # fmt: skip


def test_decorated_functions(desk: Desk, tracker: CollectionTracker):
    @tracker.collector("function", rows=len, source="orders-db")
    def load(count: int) -> list[int]:
        """Loads."""
        if count < 0:
            raise ValueError("negative")
        return list(range(count))

    @tracker.collector("uncounted", rows=len)
    def number() -> int:
        return 3

    @tracker.collector("generator")
    def each(count: int):
        yield from range(count)

    assert load(3) == [0, 1, 2]
    assert (load.__name__, load.__doc__) == ("load", "Loads.")
    with pytest.raises(ValueError, match="negative"):
        load(-1)
    assert number() == 3
    assert list(each(4)) == [0, 1, 2, 3]
    assert tracker.flush()
    assert [(attempt["collector"], attempt["success"], attempt.get("rows")) for attempt in desk.attempts] == [
        ("function", True, 3), ("function", False, None), ("uncounted", True, None), ("generator", True, None),
    ]  # fmt: skip


async def test_decorated_coroutines(desk: Desk, tracker: CollectionTracker):
    @tracker.collector("coroutine", rows=len)
    async def load() -> str:
        await asyncio.sleep(0)
        return "four"

    @tracker.collector("stream")
    async def stream():
        for number in range(3):
            yield number

    assert await load() == "four"
    assert [number async for number in stream()] == [0, 1, 2]
    async with tracker.collecting("context") as attempt:
        attempt.quality = 50
    task = asyncio.create_task(tracker.collector("cancelled")(asyncio.sleep)(60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await tracker.aflush()
    assert [(attempt["collector"], attempt["success"]) for attempt in desk.attempts] == [
        ("coroutine", True), ("stream", True), ("context", True), ("cancelled", False),
    ]  # fmt: skip
    assert desk.attempts[0]["rows"] == 4

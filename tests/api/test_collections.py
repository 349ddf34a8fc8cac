"""Collectors report to a real server: each attempt counts once, and is on disk when 200 is answered."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.collection import CollectionTracker
from monitoring_pipeline.records import AlertState
from monitoring_pipeline.reports.alerts import AlertFilter
from tests.api.conftest import SOURCES, Client, Installation, install, process, serving

COLLECTORS = {
    "orders-loader": {"source": "orders-db", "every": "1m", "masks": ["(?i)PASSWORD=\\S+", "(?i)(tok)en"]},
    "nightly-loader": {"source": "nightly-export", "every": "1d"},
}
RULES = [
    {
        "id": "loader-fails", "when": {
            "kind": "metric", "metric": "collection.success", "aggregation": "avg", "window": "10m", "operator": "<",
            "threshold": {"critical": 0.5},
        },
    }
]  # fmt: skip


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Installation]:
    found = install(tmp_path, SOURCES, collectors=COLLECTORS, rules=RULES)
    yield found
    found.monitoring.close()


@pytest.fixture
def client(collecting: Installation) -> Iterator[Client]:
    with serving(collecting.monitoring) as found:
        yield found


def post(client: Client, body: Any, **headers: str) -> Any:
    return client("/collections", "POST", json.dumps(body).encode(), headers)


def attempt(key: str = "", **fields: Any) -> dict[str, Any]:
    return {"collector": "orders-loader", "success": True, **({"key": key} if key else {}), **fields}


def kept(installation: Installation) -> list[dict[str, Any]]:
    with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
        other.row_factory = sqlite3.Row
        return [dict(row) for row in other.execute("SELECT * FROM collections ORDER BY id")]


def metrics(installation: Installation) -> list[tuple[str, str, str, float]]:
    with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
        return other.execute(
            "SELECT source, check_id, metric, value FROM samples WHERE metric LIKE 'collection.%' ORDER BY id"
        ).fetchall()


def test_one_attempt_with_everything(collecting: Installation, client: Client):
    finished = datetime.now(UTC) - timedelta(seconds=30)
    body = attempt(
        "0123456789abcdef", started=(finished - timedelta(seconds=2)).isoformat(), finished=finished.isoformat(),
        rows=1200, bytes=40_000, quality=99.5, check_type="schema", tags={"region": "eu"},
        error="login with password=hunter2 was refused\0",
    )  # fmt: skip
    answer = post(client, body)
    assert (answer.status, answer.json()) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
    [row] = kept(collecting)
    assert (row["key"], row["source"], row["collector"], row["kind"]) == (
        "0123456789abcdef", "orders-db", "orders-loader", "schema",
    )  # fmt: skip
    assert (row["rows"], row["bytes"], row["quality"], row["success"]) == (1200, 40_000, 99.5, 1)
    assert row["duration_ms"] == pytest.approx(2000)
    assert (row["error"], row["tags"]) == ("login with *** was refused", '{"region":"eu"}')
    assert row["at"] < row["received"]
    assert metrics(collecting) == [
        ("orders-db", "orders-loader", "collection.success", 1),
        ("orders-db", "orders-loader", "collection.rows", 1200),
        ("orders-db", "orders-loader", "collection.bytes", 40_000),
        ("orders-db", "orders-loader", "collection.duration_ms", row["duration_ms"]),
        ("orders-db", "orders-loader", "collection.quality", 99.5),
    ]  # fmt: skip


def test_reported_again_it_counts_once(collecting: Installation, client: Client):
    first = post(client, [attempt("key-00001"), attempt("key-00002"), attempt("key-00001")]).json()
    again = post(client, [attempt("key-00002"), attempt("key-00003")]).json()
    assert [(each["accepted"], each["duplicates"]) for each in (first, again)] == [(2, 1), (1, 1)]
    assert [row["key"] for row in kept(collecting)] == ["key-00001", "key-00002", "key-00003"]
    assert len(metrics(collecting)) == 3


def test_without_a_key_every_report_is_an_attempt(collecting: Installation, client: Client):
    for _ in range(2):
        assert post(client, attempt()).json()["accepted"] == 1
    assert len(kept(collecting)) == 2


def test_a_clock_that_is_not_ours_tells_how_long_it_took_and_one_that_went_back_does_not(
    collecting: Installation, client: Client
):  # fmt: skip
    ahead = datetime.now(UTC) + timedelta(hours=1)
    moments = {"started": (ahead - timedelta(seconds=2)).isoformat(), "finished": ahead.isoformat()}
    post(client, attempt("key-00001", **moments))
    post(client, attempt("key-00002", started=moments["finished"], finished=moments["started"]))
    assert [row["duration_ms"] for row in kept(collecting)] == [pytest.approx(2000), None]
    assert all(row["at"] <= row["received"] for row in kept(collecting))


def test_half_a_character_is_no_reason_to_lose_a_batch(collecting: Installation, client: Client):
    answer = post(client, [attempt("key-00001"), attempt("key-00002", success=False, error="caf\ud800, Token")])
    assert (answer.status, answer.json()["accepted"]) == (200, 2)
    assert [row["error"] for row in kept(collecting)] == ["", "caf?, ***"]


def test_a_collector_nobody_declared_is_not_lost(collecting: Installation, client: Client):
    post(client, {"collector": "stray", "success": False, "source": "elsewhere"})
    post(client, {"collector": "stranger", "success": True})
    assert [(row["collector"], row["source"]) for row in kept(collecting)] == [
        ("stray", "elsewhere"), ("stranger", "stranger"),
    ]  # fmt: skip
    listed = {each["collector"]: each for each in client("/collectors").json()["collectors"]}
    assert {name: each["declared"] for name, each in listed.items()} == {
        "stray": False, "stranger": False, "orders-loader": True, "nightly-loader": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"success": True}, "collector: Field required"),
        (attempt(quality=101), "quality: Input should be less than or equal to 100"),
        (attempt(rows=-1), "rows: "),
        (attempt(duration_ms="long"), "duration_ms: "),
        (attempt("short"), "key: "),
        (attempt(check_type="weather"), "check_type: "),
        (attempt(finished="yesterday"), "finished: "),
        (attempt(finished="1066-10-14T12:00:00Z"), "finished: it must lie between 1970 and 3000"),
        (attempt(tags={"x": "y" * 300}), "tags.x"),
        (attempt(collector="  "), "collector"),
        (attempt(source="\ud800"), "source: "),
        (7, "Input should be a valid dictionary"),
    ],
)
def test_a_bad_one_spoils_no_others(collecting: Installation, client: Client, wrong, problem):
    answer = post(client, [attempt("key-00001"), wrong, attempt("key-00002")]).json()
    assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (2, [1])
    assert problem in answer["rejected"][0]["problem"]
    alone = post(client, [wrong])
    assert alone.status == 422
    assert problem in alone.json()["detail"]
    assert len(kept(collecting)) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"no", 422), (b'"text"', 422), (b"[" * 100_000, 422), (b"[]", 200), (b" " * 4_000_001, 413)],
)
def test_bodies_that_are_no_attempts(collecting: Installation, client: Client, body, status):
    assert client("/collections", "POST", body).status == status
    assert kept(collecting) == []


def test_more_than_a_thousand_at_once_are_too_many(client: Client):
    assert post(client, [attempt()] * 1_001).status == 413


def test_the_future_is_now(collecting: Installation, client: Client):
    post(client, attempt(finished=(datetime.now(UTC) + timedelta(hours=1)).isoformat()))
    [row] = kept(collecting)
    assert row["at"] == row["received"]


def test_rules_are_judged_in_the_same_transaction(collecting: Installation, client: Client):
    post(client, [attempt(success=False, error="no route") for _ in range(3)])
    [view] = collecting.monitoring.alerts(AlertFilter(states=(AlertState.FIRING,)))
    assert (view.alert.rule, view.alert.source) == ("loader-fails", "orders-db")
    post(client, [attempt() for _ in range(9)])
    assert collecting.monitoring.alerts(AlertFilter(states=(AlertState.FIRING,))) == []


def test_many_at_once_share_transactions_and_keep_their_counts(collecting: Installation, client: Client):
    def one(number: int) -> tuple[int, int]:
        answer = post(client, [attempt(f"key-{number:05}"), attempt(f"key-{number // 2:05}")]).json()
        return answer["accepted"], answer["duplicates"]

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(one, range(40)))
    assert sum(accepted for accepted, _ in counts) == 40
    assert sum(duplicates for _, duplicates in counts) == 40
    assert len({row["key"] for row in kept(collecting)}) == len(kept(collecting)) == 40


def test_a_store_that_cannot_be_written_is_503(collecting: Installation, client: Client):
    with sqlite3.connect(collecting.monitoring.store.sqlite_path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON samples BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    answer = post(client, attempt("key-00001"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert kept(collecting) == []  # not even a part of it
    with sqlite3.connect(collecting.monitoring.store.sqlite_path) as other:
        other.execute("DROP TRIGGER full")
    assert post(client, attempt("key-00001")).json()["accepted"] == 1


def test_what_came_before_everything_hot_expired_counts_once(collecting: Installation, client: Client):
    now = datetime.now(UTC)
    late = attempt("key-00001", finished=(now - timedelta(hours=5)).isoformat())
    assert post(client, late).json()["accepted"] == 1
    monitoring = collecting.monitoring
    monitoring.load_history()
    monitoring.publish_history()
    with sqlite3.connect(monitoring.store.sqlite_path) as other:
        other.execute("DELETE FROM collections")
    assert post(client, [late, attempt("key-00002")]).json() == {"accepted": 1, "duplicates": 1, "rejected": []}


# -- who may -----------------------------------------------------------------------------------------


def test_pages_of_others_and_wrong_tokens_are_refused(collecting: Installation, client: Client):
    assert post(client, attempt(), Origin="https://evil.example.com").status == 403
    assert post(client, attempt(), Authorization="Bearer wrong").status == 401
    assert post(client, attempt(), Authorization="Basic d3Jvbmc6").status == 401
    assert kept(collecting) == []
    assert post(client, attempt(), Authorization=f"Bearer {collecting.monitoring.collection.token}").status == 200


def test_from_other_machines_the_token_is_needed(tmp_path: Path):
    found = install(tmp_path, SOURCES, api={"host": "0.0.0.0"})
    with serving(found.monitoring) as client:
        refused = post(client, attempt())
        assert refused.status == 403
        assert "busta collectors token" in refused.json()["detail"]
        assert post(client, attempt(), Authorization=f"Bearer {found.monitoring.collection.token}").status == 200


# -- the client and the server together --------------------------------------------------------------


def test_the_client_reports_and_the_api_tells(collecting: Installation, client: Client):
    tracker = CollectionTracker(f"http://127.0.0.1:{client.port}", collecting.monitoring.collection.token, linger_s=0)
    with tracker.collecting("orders-loader") as found:
        found.rows = 70
    tracker.track("orders-loader", {"error": "timed out", "check_type": "connectivity", "duration_ms": 5000})
    assert tracker.flush()
    tracker.close(0)
    told = client("/collectors/orders-loader").json()
    assert (told["status"], told["source"], told["failures_in_row"]) == ("healthy", "orders-db", 1)
    assert (told["windows"]["5m"]["attempts"], told["windows"]["5m"]["rows"]) == (2, 70)
    assert told["windows"]["1h"]["success_rate"] == 50
    assert set(told["checks"]) == {"all", "connectivity"}
    assert [(each["success"], each["error"]) for each in told["latest"]] == [(False, "timed out"), (True, "")]
    assert client("/collectors/orders-loadr").status == 404
    assert "orders-loader" in client("/collectors/orders-loadr").json()["detail"]


def test_a_server_killed_again_and_again_keeps_every_attempt_once(collecting: Installation):
    """Attempts go on being reported while the API is killed at any moment: none is missing, none is there twice."""
    port, trackers = 0, []
    count = 0
    stop = threading.Event()

    def go_on(tracker: CollectionTracker) -> None:
        nonlocal count
        while not stop.is_set():
            tracker.track("orders-loader", {"rows": count})
            count += 1
            time.sleep(0.002)

    reporting = None
    for round_ in range(2):
        with process(collecting.path, *(["--port", str(port)] if port else [])) as (started, client):
            if not port:
                port = client.port
                trackers.append(CollectionTracker(f"http://127.0.0.1:{port}", linger_s=0.0))
                reporting = threading.Thread(target=go_on, args=(trackers[0],))
                reporting.start()
            before = len(kept(collecting))
            while len(kept(collecting)) < before + 20:
                trackers[0].flush(0.05)  # it must not wait for the end of its pause
                time.sleep(0.01)
            if round_ == 1:
                stop.set()
                reporting.join()
                assert trackers[0].flush(30)
            started.send_signal(signal.SIGKILL)
            started.wait(30)
    trackers[0].close(0)
    rows = [row["rows"] for row in kept(collecting)]
    assert sorted(rows) == list(range(count))
    assert len(metrics(collecting)) == 2 * count

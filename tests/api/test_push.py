"""Push URLs: tokens, what is kept, what is refused, and that 200 means on disk."""

from __future__ import annotations

import re
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from monitoring_pipeline.api.limits import RateLimit
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.push import SECRET_FILE, push_secret, push_token
from monitoring_pipeline.errors import NotFound, StoreError
from monitoring_pipeline.store.beats import newest_beats
from tests.api.conftest import Client, Installation, process, serving

KEY = "nightly-export/heartbeat"


@pytest.fixture
def client(installation):
    with serving(installation.monitoring) as found:
        yield found


@pytest.fixture
def path(installation) -> str:
    return urlsplit(installation.monitoring.push_url(KEY)).path


def beats_of(installation: Installation) -> list:
    with installation.monitoring.store.read() as connection:
        return list(newest_beats(connection, KEY, 50))


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_any_method_is_a_success(installation, client: Client, path, method):
    answer = client(path, method)
    assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b"OK success\n")
    assert [beat["signal"] for beat in beats_of(installation)] == ["success"]


@pytest.mark.parametrize(
    ("ending", "signal_name", "exit_code"),
    [("start", "start", None), ("fail", "fail", None), ("0", "success", 0), ("1", "fail", 1), ("255", "fail", 255)],
)
def test_endings(installation, client: Client, path, ending, signal_name, exit_code):
    assert client(f"{path}/{ending}", "POST", b"42 rows").status == 200
    [beat] = beats_of(installation)
    assert (beat["signal"], beat["exit_code"], beat["message"]) == (signal_name, exit_code, "42 rows")


@pytest.mark.parametrize("ending", ["256", "-1", "oops", "1.5", "%F0%9F%92%A3"])
def test_other_endings_are_refused(installation, client: Client, path, ending):
    assert client(f"{path}/{ending}").status == 400
    assert beats_of(installation) == []


def test_the_duration_counts_from_the_start(installation, client: Client, path):
    client(f"{path}/start")
    client(path)
    client(f"{path}?duration_ms=1234.5")
    latest, before, start = beats_of(installation)
    assert latest["duration_ms"] == 1234.5
    assert before["duration_ms"] == pytest.approx((before["at"] - start["at"]).total_seconds() * 1000)


def test_a_long_body_is_cut_and_a_strange_one_kept(installation, client: Client, path):
    assert client(path, "POST", b"x" * 600_000).status == 200
    assert client(path, "POST", b"a\x00b\xff<script>").status == 200
    strange, long = beats_of(installation)
    assert 500 <= len(long["message"]) <= 10_000
    assert strange["message"] == "ab\ufffd<script>"


def test_unknown_tokens_get_no_hint(installation, client: Client, path):
    answers = [client(wrong) for wrong in ("/push/x", f"{path[:-1]}", f"{path}A", f"{path[:-1]}/start", "/push/%FF/9")]
    assert {(answer.status, answer.body) for answer in answers} == {(404, b'{"detail":"Not Found"}')}
    assert beats_of(installation) == []


def test_a_push_makes_the_check_due(installation, client: Client, path):
    def due() -> int:
        with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
            return other.execute("SELECT next_slot FROM checks WHERE key = ?", [KEY]).fetchone()[0]

    with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
        other.execute("UPDATE checks SET next_slot = next_slot + 3600000000 WHERE key = ?", [KEY])
    before = due()
    assert client(path).status == 200
    assert due() < before


def test_too_many_are_told_to_wait(installation, client: Client, path):
    answers = [client(path) for _ in range(15)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 1 <= len(refused) <= 5
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert len(beats_of(installation)) == 15 - len(refused)


def test_a_store_that_cannot_be_written_is_503(installation: Installation, path):
    with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON beats BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with serving(installation.monitoring) as client:
        answer = client(path)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "try again" in answer.json()["detail"]
        with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
            other.execute("DROP TRIGGER full")
        assert client(path).status == 200


def test_what_was_answered_survives_a_kill(installation: Installation, path):
    for number in range(5):
        with process(installation.path) as (started, client):
            assert client(path, "POST", f"run {number}".encode()).status == 200
            started.send_signal(signal.SIGKILL)
            started.wait(30)
    assert [beat["message"] for beat in beats_of(installation)] == [f"run {number}" for number in (4, 3, 2, 1, 0)]


def test_tokens_are_long_stable_and_each_its_own(installation: Installation):
    url = installation.monitoring.push_url(KEY)
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/push/[A-Za-z0-9_-]{43}", url)
    assert Monitoring.open(installation.path).push_url(KEY) == url
    assert push_token(b"a" * 32, "one/x") != push_token(b"a" * 32, "two/x") != push_token(b"b" * 32, "two/x")
    with pytest.raises(NotFound, match="nightly-export"):
        installation.monitoring.push_url("nightly-exprot/heartbeat")


def test_the_secret_is_ours_alone_and_made_once(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(push_secret, [tmp_path / "new"] * 64))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 32
    assert [file.name for file in (tmp_path / "new").iterdir()] == [SECRET_FILE]
    assert (tmp_path / "new" / SECRET_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "ab", "no hex at all"])
def test_a_spoilt_secret_is_an_error_with_a_way_out(tmp_path, content):
    (tmp_path / SECRET_FILE).write_text(content)
    with pytest.raises(StoreError, match=re.escape(SECRET_FILE)):
        push_secret(tmp_path)


def test_rate_limit_fills_up_again():
    now = [0.0]
    limit = RateLimit(60, 2, monotonic=lambda: now[0])
    assert [limit.wait_s("a") for _ in range(3)] == [0, 0, 1]
    assert limit.wait_s("b") == 0
    now[0] = 0.5
    assert limit.wait_s("a") == 0.5
    now[0] = 1.0
    assert limit.wait_s("a") == 0
    now[0] = 1000.0
    assert [limit.wait_s("a") > 0 for _ in range(3)] == [False, False, True]

"""`busta sources`: lists, health, manual runs, history, on real checks."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.commands.sources.history import sparkline
from monitoring_pipeline.cli.reference import SHAPES
from tests.cli.conftest import Busta, document

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def has_shape(found: Mapping[str, Any], command: str, *, more: bool = False) -> bool:
    wanted = set(SHAPES[command]) - {"..."}
    return wanted <= set(found) if more else set(found) == wanted


def test_before_the_first_result_all_is_unknown_and_it_tells_what_to_do(run: Busta) -> None:
    result = run("sources", "health")
    assert result.exit_code == exits.WARNING
    assert "5 unknown" in result.stdout
    assert "`busta up` starts it" in result.stdout
    assert "No results yet" in run("sources", "show", "shop-api").stdout
    assert "busta up" in run("sources", "history", "shop-api").stdout


def test_check_all_tells_every_result_and_exits_by_the_worst(run: Busta) -> None:
    result = run("sources", "check", "--all")
    assert result.exit_code == exits.CRITICAL
    assert "healthy  shop-api/http" in result.stdout
    assert "connection refused by 127.0.0.1" in result.stdout
    assert "size (8) > 1000000" in result.stdout
    assert "exports/old" not in result.stdout  # disabled


@pytest.mark.parametrize(
    ("arguments", "keys", "code"),
    [
        (["shop-api"], ["shop-api/http"], 0),
        (["slow"], ["slow/file"], 1),
        (["refused"], ["refused/tcp"], 2),
        (["nightly"], ["nightly/done"], 1),
        (["exports"], ["exports/orders"], 0),
        (["exports/old"], ["exports/old"], 0),
        (["--critical"], ["refused/tcp", "shop-api/http"], 2),
        (["--tag", "public"], ["shop-api/http"], 0),
        (["--component", "data"], ["exports/orders", "refused/tcp", "slow/file"], 2),
        (["shop-api", "slow", "--critical"], ["shop-api/http"], 0),
    ],
)
def test_check_as_json(run: Busta, arguments: list[str], keys: list[str], code: int) -> None:
    result = run("sources", "check", *arguments, "--json")
    found = document(result)
    assert has_shape(found, "sources check")
    assert sorted(f"{r['source']}/{r['check']}" for r in found["results"]) == keys
    assert result.exit_code == code
    assert all(MOMENT.fullmatch(each["started"]) for each in found["results"])


def test_health_after_a_check(run: Busta) -> None:
    run("sources", "check", "--all")
    result = run("sources", "health", "--json")
    found = document(result)
    assert has_shape(found, "sources health")
    assert result.exit_code == exits.CRITICAL
    assert found["status"] == "critical"
    assert found["counts"] == {"healthy": 2, "warning": 1, "critical": 1, "unknown": 1}
    assert [each["status"] for each in found["sources"]] == ["critical", "warning", "unknown", "healthy", "healthy"]
    assert {each["id"]: each["status"] for each in found["components"]} == {
        "web": "healthy", "data": "critical", "jobs": "unknown",
    }  # fmt: skip
    assert found["watching"] == {"alive": False, "heartbeat": None}


@pytest.mark.parametrize(
    ("arguments", "ids", "code"),
    [
        (["--component", "web"], {"shop-api"}, 0),
        (["--status", "critical"], {"refused"}, 2),
        (["--status", "unknown"], {"nightly"}, 1),
        (["--critical"], {"refused", "shop-api"}, 2),
        (["--tag", "public"], {"shop-api"}, 0),
    ],
)
def test_health_filters(run: Busta, arguments: list[str], ids: set[str], code: int) -> None:
    run("sources", "check", "--all")
    result = run("sources", "health", *arguments, "--json")
    assert {each["id"] for each in document(result)["sources"]} == ids
    assert result.exit_code == code


def test_health_as_a_table(run: Busta) -> None:
    run("sources", "check", "--all")
    lines = run("sources", "health").stdout.splitlines()
    ids = {"refused", "slow", "nightly", "shop-api", "exports"}
    rows = [line.split()[0] for line in lines if line.strip() and line.split()[0] in ids]
    assert rows == ["refused", "slow", "nightly", "shop-api", "exports"]
    assert any("✖ critical" in line and "connection refused" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "shop-apy"], "there is no source 'shop-apy'; did you mean 'shop-api'?"),
        (["check", "refusd"], "did you mean 'refused'?"),
        (["check", "exports/order"], "did you mean 'exports/orders'?"),
        (["history", "slw"], "did you mean 'slow'?"),
        (["history", "exports", "--check", "ordrs"], "did you mean 'exports/orders'?"),
        (["health", "--component", "wep"], "did you mean 'web'?"),
        (["list", "--tag", "publc"], "did you mean 'public'?"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(run: Busta, arguments: list[str], told: str) -> None:
    result = run("sources", *arguments)
    assert result.exit_code == exits.USAGE
    assert told in result.stderr


def test_list(run: Busta) -> None:
    found = document(run("sources", "list", "--json"))
    assert has_shape(found, "sources list")
    assert [each["id"] for each in found["sources"]] == ["shop-api", "exports", "refused", "slow", "nightly"]
    assert "web team" in run("sources", "list", "--component", "web").stdout


def test_show(run: Busta, config: Path) -> None:
    run("sources", "check", "shop-api", "nightly")
    found = document(run("sources", "show", "shop-api", "--json"))
    assert has_shape(found, "sources show", more=True)
    assert found["definitions"]["http"]["conditions"] == ["status == 200 (critical)", "json.orders > 10 (critical)"]
    assert found["last_results"][0]["status"] == "healthy"
    text = run("sources", "show", "nightly").stdout
    monitoring = Monitoring.open(config)
    assert monitoring.push_url("nightly/done") in text
    monitoring.close()


def test_show_covers_secrets(run: Busta, config: Path) -> None:
    cache = "  - id: cache\n    checks: [{kind: redis, url: 'redis://:hunter22@127.0.0.1:1'}]\n"
    config.write_text(config.read_text() + cache)
    for arguments in (["sources", "show", "cache"], ["config", "show"], ["sources", "check", "cache"]):
        result = run(*arguments)
        assert "hunter22" not in result.stdout + result.stderr


def test_history(run: Busta) -> None:
    for _ in range(3):
        run("sources", "check", "exports", "slow", "exports/old")
    found = document(run("sources", "history", "exports", "--json"))
    assert has_shape(found, "sources history")
    assert found["summary"]["healthy"] == 6
    assert len(document(run("sources", "history", "exports", "--check", "orders", "--json"))["results"]) == 3
    assert len(document(run("sources", "history", "exports", "--limit", "1", "--json"))["results"]) == 1
    text = run("sources", "history", "slow", "--since", "30m").stdout
    assert "0 healthy, 3 warning" in text
    assert text.count("size (8) > 1000000") == 3


def test_long_history_comes_from_rollups_and_says_the_same(run: Busta, config: Path) -> None:
    run("sources", "check", "exports")
    monitoring = Monitoring.open(config)
    monitoring.load_history()
    monitoring.roll_up()
    monitoring.publish_history()
    monitoring.close()
    short, long = (document(run("sources", "history", "exports", "--since", each, "--json")) for each in ("1d", "30d"))
    assert has_shape(long, "sources history")
    assert long["summary"] == short["summary"]
    picture = config.with_name("times.png")
    assert run("sources", "history", "exports", "--since", "30d", "--plot", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    refused = run("sources", "history", "nightly", "--plot", str(picture))
    assert refused.exit_code != 0
    assert "no response times" in refused.stderr


def test_history_shows_gaps_as_unknown(run: Busta, config: Path) -> None:
    from monitoring_pipeline.records import Gap, GapReason
    from monitoring_pipeline.store import slots

    run("sources", "check", "exports")
    monitoring = Monitoring.open(config)
    now = datetime.now(UTC)
    with monitoring.store.write() as connection:
        slots.insert_gaps(connection, [Gap("exports", "orders", now, now, 7, GapReason.NOT_RUNNING)])
    monitoring.close()
    text = run("sources", "history", "exports").stdout
    assert "? unknown" in text
    assert "7 slots without a result" in text
    assert document(run("sources", "history", "exports", "--json"))["gaps"][0]["slots"] == 7


def test_sparkline() -> None:
    assert sparkline([]) == ""
    assert sparkline([None, 1.0, None, 8.0]) == " ▁ █  1.0 ms to 8.0 ms"
    assert sparkline([5.0, 5.0]) == "▁▁  5.0 ms to 5.0 ms"


def test_watch_prints_changes_until_it_is_stopped(config: Path) -> None:
    code = "from monitoring_pipeline.cli import main; main()"
    command = [sys.executable, "-c", code, "--config", str(config), "sources"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    watch = subprocess.Popen([*command, "health", "--watch"], stdout=subprocess.PIPE, text=True, env=environment)
    assert watch.stdout is not None
    first = [watch.stdout.readline() for _ in range(5)]
    assert all(" is unknown" in line for line in first)
    subprocess.run([*command, "check", "shop-api"], check=True, stdout=subprocess.DEVNULL, env=environment)
    assert "shop-api is healthy" in watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 30
    while watch.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    watch.stdout.close()
    assert watch.returncode == exits.WARNING


def test_watch_in_a_terminal_shows_a_table(config: Path) -> None:
    code = "from monitoring_pipeline.cli import main; main()"
    command = [sys.executable, "-c", code, "--config", str(config), "sources", "health", "--watch"]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40", "PYTHONUTF8": "1"}
    environment.pop("NO_COLOR", None)
    watch = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"slow" not in shown:
        shown += os.read(ours, 65536)
    watch.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the terminal ends with its last user
        while part := os.read(ours, 65536):
            shown += part
    assert watch.wait(30) == exits.WARNING
    os.close(ours)
    assert "\x1b[35m? unknown\x1b[0m" in shown.decode()
    assert "component" in shown.decode()


def test_an_installation_without_sources_is_told_kindly(run: Busta, tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("version: 1\nsources: []\n")
    assert "busta init" in run("sources", "list", path=empty).stderr
    assert run("sources", "health", path=empty).exit_code == exits.OK

"""`busta sla`: budgets on a terminal, and a ledger that nobody edits."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.store import tables
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape
from tests.store import rows

OBJECTIVES = """\
objectives:
  uptime: {source: [shop-api, refused], target: 99%, window: 10d, description: What customers were promised.}
  web: {component: web, kind: success_rate, target: 90%, window: 10d, per: component}
"""


@pytest.fixture
def promised(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installation with a past: refused was down for four hours, four days ago."""
    monkeypatch.setenv("BUSTA_USER", "ana")
    config.write_text(config.read_text() + OBJECTIVES)
    monitoring = Monitoring.open(config)
    now = monitoring.clock()
    ago = [now - timedelta(days=12), now - timedelta(days=4), now - timedelta(days=4, hours=-4)]
    rows.write(monitoring.store, "status_changes", [
        rows.change("shop-api", ago[0], "unknown", "healthy"),
        rows.change("refused", ago[0], "unknown", "healthy"),
        rows.change("refused", ago[1], "healthy", "critical"),
        rows.change("refused", ago[2], "critical", "healthy"),
    ])  # fmt: skip
    rows.write(monitoring.store, "results", [
        rows.result("shop-api", now - timedelta(hours=n), "critical" if n % 50 == 0 else "healthy")
        for n in range(1, 101)
    ])  # fmt: skip
    monitoring.close()
    return config


def test_without_objectives_it_says_what_to_write(run: Busta) -> None:
    result = run("sla", "show")
    assert result.exit_code == exits.OK
    assert result.stdout == ""
    assert "objectives:" in result.stderr
    assert document(run("sla", "show", "--json"))["standings"] == []
    assert "Nothing was ever corrected" in run("sla", "ledger").stderr


@pytest.mark.usefixtures("promised")
def test_shows_budgets_with_bars_the_worst_first(run: Busta, tmp_path: Path) -> None:
    result = run("sla", "show", "--plot", str(tmp_path / "budgets.png"))
    assert result.exit_code == exits.CRITICAL
    lines = [line for line in result.stdout.splitlines() if "the last 10d" in line and "%" in line]
    assert [line.split()[:3] for line in lines[:3]] == [
        ["uptime", "refused", "the"], ["web", "component", "web"], ["uptime", "shop-api", "the"],
    ]  # fmt: skip
    assert "98.333 %" in lines[0]
    assert "-1h36m of 2h24m (-67%)" in lines[0]
    assert "8 checks of 10 checks (80%)" in lines[1]
    assert "█" * 20 in lines[2]
    assert "uptime, refused: the budget of the last 10d is used up" in result.stdout
    assert (tmp_path / "budgets.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("promised")
def test_both_figures_are_shown_once_somebody_corrected(run: Busta) -> None:
    kept = document(run("sla", "show", "uptime", "--source", "refused", "--json"))
    assert has_shape(kept, "sla show")
    until = datetime.fromisoformat(kept["standings"][0]["period"]["until"])
    begin, end = (f"{until - timedelta(days=4, hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (1, -5))
    done = run("sla", "correct", "refused", "--from", begin, "--to", end, "--as", "up", "--reason", "it was us")
    assert done.exit_code == exits.OK
    assert done.stdout == "entry 1 of the ledger; `busta sla revoke 1 --reason WHY` takes it back\n"
    result = run("sla", "show", "uptime", "--source", "refused")
    assert result.exit_code == exits.OK
    assert "100 % (measured 98.333 %)" in result.stdout
    assert "corrected by ana: refused" in result.stdout
    (found,) = document(run("sla", "show", "uptime", "--source", "refused", "--json"))["standings"]
    assert (found["kept"], found["kept_as_measured"], found["corrections"]) == (True, False, [1])
    assert found["measured"]["bad"] == pytest.approx(4 * 3600)
    assert run("sla", "revoke", "1", "--reason", "it was not", "--author", "ben").exit_code == exits.OK
    assert run("sla", "show", "uptime").exit_code == exits.CRITICAL
    assert "was revoked already" in run("sla", "revoke", "1", "--reason", "again").stderr
    assert "revokes entry 1" in run("sla", "revoke", "2", "--reason", "again").stderr
    text = run("sla", "ledger").stdout
    assert "up (revoked)" in text
    assert "(revokes 1)" in text
    entries = document(run("sla", "ledger", "--json"))
    assert has_shape(entries, "sla ledger")
    assert [(each["author"], each["revokes"]) for each in entries["entries"]] == [("ana", None), ("ben", 1)]


@pytest.mark.usefixtures("promised")
def test_corrections_that_make_no_sense_are_refused(run: Busta) -> None:
    def refusal(*arguments: str) -> str:
        result = run("sla", "correct", *arguments, "--as", "up", "--reason", "why")
        assert result.exit_code == exits.USAGE
        return result.stderr

    past = ("--from", "2026-01-02T00:00Z", "--to", "2026-01-03T00:00Z")
    assert "did you mean 'refused'" in refusal("refuse", *past)
    assert "ends before it begins" in refusal("refused", *past[:2], "--to", "2026-01-01T00:00Z")
    assert "only the past" in refusal("refused", *past[:2], "--to", "2999-01-01T00:00Z")
    assert "did you mean 'uptime'" in refusal("refused", *past, "--objective", "uptim")
    assert "is not about refused" in refusal("refused", *past, "--objective", "web")
    assert "did you mean 'uptime'" in run("sla", "show", "uptim").stderr
    result = run("sla", "correct", "refused", *past, "--as", "up", "--reason", " ")
    assert "needs a reason" in result.stderr


def test_verify_finds_who_touched_the_ledger(run: Busta, promised: Path, tmp_path: Path) -> None:
    past = ("--from", "2026-01-02T00:00Z", "--to", "2026-01-03T00:00Z", "--as", "down", "--reason", "why")
    for _ in range(3):
        run("sla", "correct", "refused", *past)
    export = tmp_path / "ledger.json"
    assert run("sla", "export", "-o", str(export)).stderr == f"3 entries in {export}\n"
    assert [entry["number"] for entry in json.loads(export.read_text())["entries"]] == [1, 2, 3]
    assert run("sla", "verify", "--against", str(export)).stdout == "3 entries, the chain is whole\n"
    found = document(run("sla", "verify", "--json"))
    assert has_shape(found, "sla verify")
    assert found["whole"] is True
    for written, told in (
        ("up", "its content is not what its hash was computed from"),
        ("sideways", "it holds what no entry can hold"),
    ):
        monitoring = Monitoring.open(promised)
        with monitoring.store.write() as connection:
            connection.execute(update(tables.ledger).where(tables.ledger.c.number == 2).values({"as": written}))
        monitoring.close()
        result = run("sla", "verify")
        assert result.exit_code == exits.CRITICAL
        assert result.stdout == f"broken at entry 2: {told}\n"


@pytest.mark.usefixtures("promised")
def test_exports_days_and_entries_as_csv(run: Busta) -> None:
    found = list(csv.DictReader(io.StringIO(run("sla", "export", "--what", "days", "--format", "csv").stdout)))
    mine = [row for row in found if row["subject"] == "refused"]
    assert sum(float(row["bad"]) for row in mine) == pytest.approx(4 * 3600)
    whole = sum(round(float(row[name]) * 1e6) for row in mine for name in ("good", "bad", "unknown", "excluded"))
    assert whole == 10 * 86_400_000_000
    assert run("sla", "export", "--format", "csv").stdout == ""


@pytest.mark.usefixtures("promised")
def test_reliability_pools_sources(run: Busta) -> None:
    result = run("sla", "reliability", "--since", "10d")
    assert result.exit_code == exits.OK
    (line,) = [line for line in result.stdout.splitlines() if line.strip().startswith("refused")]
    assert line.split()[:4] == ["refused", "1", "9d20h", "4h"]
    found = document(run("sla", "reliability", "--json"))
    assert has_shape(found, "sla reliability")
    assert found["system"]["failures"] == 1

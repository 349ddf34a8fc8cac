"""`busta collectors`: how collecting goes, of real rows in a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.records import CollectionAttempt, CollectionCheck
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape


@pytest.fixture
def reported(config: Path) -> None:
    """One collector works, one fails, one is silent, one was never heard of, and one nobody declared."""
    names = "\n".join(f"  {name}: {{source: exports, every: 1m}}" for name in ("works", "fails", "silent", "never"))
    config.write_text(f"{config.read_text()}collectors:\n{names}\n")
    now = datetime.now(UTC)

    def attempts(name: str, ago: timedelta, *outcomes: bool) -> list[CollectionAttempt]:
        moment = now - ago
        return [
            CollectionAttempt(
                f"{name}-{number}", name, "exports", well, moment, moment, None if well else CollectionCheck.PARSING,
                rows=1200, duration_ms=250, quality=98.5, error="" if well else "bad line 7",
            )
            for number, well in enumerate(outcomes)
        ]  # fmt: skip

    monitoring = Monitoring.open(config)
    monitoring.collection.record(
        [
            *attempts("works", timedelta(seconds=10), True, True),
            *attempts("fails", timedelta(seconds=5), *[False] * 6),
            *attempts("silent", timedelta(hours=2), True),
            *attempts("stray", timedelta(seconds=20), True),
        ]
    )
    monitoring.close()


def test_list_has_the_worst_first(run: Busta, reported: None) -> None:
    found = document(run("collectors", "list", "--json"))
    assert has_shape(found, "collectors list")
    assert [(each["collector"], each["status"], each["declared"]) for each in found["collectors"]] == [
        ("fails", "critical", True), ("never", "unknown", True), ("silent", "unknown", True),
        ("stray", "healthy", False), ("works", "healthy", True),
    ]  # fmt: skip
    text = run("collectors", "list").stdout
    assert "6 failures in a row: bad line 7" in text
    assert "no report for 2h" in text
    assert "stray (undeclared)" in text


def test_show_has_windows_parts_and_attempts(run: Busta, reported: None) -> None:
    found = document(run("collectors", "show", "fails", "--limit", "2", "--json"))
    assert has_shape(found, "collectors show")
    assert found["windows"]["5m"]["failure_rate"] == 100
    assert set(found["checks"]) == {"parsing"}
    assert len(found["latest"]) == 2
    text = run("collectors", "show", "works").stdout
    assert "last 5m" in text
    assert "100.0 %" in text
    assert "250 ms" in text
    assert "never" in run("collectors", "show", "never").stdout
    wrong = run("collectors", "show", "work")
    assert (wrong.exit_code, wrong.stderr) == (
        exits.USAGE, "busta: there is no collector 'work'; did you mean 'works'?\n",
    )  # fmt: skip


def test_without_any_it_says_how_to_begin(run: Busta) -> None:
    assert "docs/collection.md" in run("collectors", "list").stderr


def test_token_says_what_a_collector_needs(run: Busta) -> None:
    found = document(run("collectors", "token", "--json"))
    assert has_shape(found, "collectors token")
    assert run("collectors", "token").stdout == (
        f"export BUSTA_URL={found['url']}\nexport BUSTA_TOKEN={found['token']}\n"
    )

"""`busta maintenance`: announced by command, and what is configured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.store import silences
from monitoring_pipeline.store.silences import Silence, SilenceKind
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSTA_USER", "ana")


def announced(monitoring: Monitoring) -> list[Silence]:
    with monitoring.store.read() as connection:
        return silences.find(connection, kind=SilenceKind.MAINTENANCE)


def test_start_list_end(run: Busta, alerting: Monitoring) -> None:
    result = run("maintenance", "start", "exports", "slow", "--for", "1h", "--reason", "upgrade")
    assert result.exit_code == exits.OK
    (made,) = announced(alerting)
    assert (made.matchers, made.reason, made.author) == ({"source": ["exports", "slow"]}, "upgrade", "ana")
    assert made.ends == made.starts + timedelta(hours=1)
    text = run("maintenance", "list").stdout
    assert "source exports or slow" in text
    found = document(run("maintenance", "list", "--json"))
    assert has_shape(found, "maintenance list")
    assert [each["id"] for each in found["announced"]] == [made.id]
    assert "has ended" in run("maintenance", "end", str(made.id)).stdout
    assert document(run("maintenance", "list", "--json"))["announced"] == []
    assert len(document(run("maintenance", "list", "--all", "--json"))["announced"]) == 1


def test_without_an_end_it_lasts_until_it_is_ended(run: Busta, alerting: Monitoring) -> None:
    result = run("maintenance", "start", "--component", "data", "--tag", "public", "--reason", "move")
    assert "until it is ended" in result.stdout
    (made,) = announced(alerting)
    assert (made.matchers, made.ends) == ({"component": ["data"], "tag": ["public"]}, None)


def test_the_windows_of_the_configuration_come_with_it(run: Busta, alerting: Monitoring) -> None:
    windows = document(run("maintenance", "list", "--json"))["windows"]
    assert len(windows) == 5
    starts = [datetime.fromisoformat(each["start"]).astimezone(UTC) for each in windows]
    assert {(start.isoweekday(), start.hour) for start in starts} == {(7, 3)}
    assert {(each["name"], str(each["sources"])) for each in windows} == {("weekly", "{'component': ['data']}")}
    assert "component data" in run("maintenance", "list").stdout


def test_without_any_it_says_what_to_do(run: Busta, alerting: Monitoring) -> None:
    path = alerting.config.path
    path.write_text(path.read_text().partition("maintenance:")[0])
    assert "busta maintenance start" in run("maintenance", "list").stderr


def test_a_calendar_that_is_missing_is_told(run: Busta, alerting: Monitoring) -> None:
    path = alerting.config.path
    text = path.read_text().partition("maintenance:")[0]
    path.write_text(text + "maintenance:\n  - {name: holidays, sources: {}, calendar: holidays.ics}\n")
    result = run("maintenance", "list")
    assert result.exit_code == exits.OK
    assert "maintenance holidays:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "--reason", "why"], "which sources?"),
        (["start", "slow"], "Missing option '--reason'"),
        (["start", "slwo", "--reason", "why"], "did you mean 'slow'?"),
        (["start", "slow", "--reason", "why", "--until", "2020-01-01"], "in the future"),
        (["end", "99"], "there is no silence '99'"),
        (["end"], "Missing argument 'ID...'"),
    ],
)
def test_what_is_refused(run: Busta, alerting: Monitoring, arguments: list[str], told: str) -> None:
    result = run("maintenance", *arguments)
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert told in result.stderr
    assert announced(alerting) == []

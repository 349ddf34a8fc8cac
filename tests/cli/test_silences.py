"""`busta silences`: what is not told for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.store import silences
from monitoring_pipeline.store.silences import Silence
from tests.alerting.rows import add_alert
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSTA_USER", "ana")


def kept(monitoring: Monitoring) -> list[Silence]:
    with monitoring.store.read() as connection:
        return silences.find(connection)


def test_add_list_end(run: Busta, alerting: Monitoring) -> None:
    assert "Nothing is silenced." in run("silences", "list").stderr
    result = run(
        "silences", "add", "--source", "shop-*", "--severity", "warning", "--for", "2h", "--reason", "new disk"
    )
    assert result.exit_code == exits.OK
    (made,) = kept(alerting)
    assert result.stdout.endswith(f"`busta silences end {made.id}` ends it\n")
    assert made.matchers == {"source": ["shop-*"], "severity": ["warning"]}
    assert (made.author, made.reason, made.ends) == ("ana", "new disk", made.starts + timedelta(hours=2))
    assert "source shop-*, severity warning" in run("silences", "list").stdout
    found = document(run("silences", "list", "--json"))
    assert has_shape(found, "silences list")
    assert [(each["id"], each["active"]) for each in found["silences"]] == [(made.id, True)]
    assert "has ended" in run("silences", "end", str(made.id)).stdout
    assert "was over already" in run("silences", "end", str(made.id)).stdout
    assert document(run("silences", "list", "--json"))["silences"] == []
    (over,) = document(run("silences", "list", "--all", "--json"))["silences"]
    assert (over["active"], over["ended_by"]) == (False, "ana")


def test_all_filters(run: Busta, alerting: Monitoring) -> None:
    run(
        "silences", "add", "--component", "web", "--tag", "public", "--team", "web team", "--check", "http",
        "--rule", "down", "--rule", "slow", "--label", "stage=test", "--until", "2999-01-01T00:00Z", "--reason", "why",
    )  # fmt: skip
    (made,) = kept(alerting)
    assert made.matchers == {
        "component": ["web"], "tag": ["public"], "owner": ["web team"], "check": ["http"], "rule": ["down", "slow"],
        "labels": {"stage": ["test"]},
    }  # fmt: skip
    assert "rule down or slow, stage=test" in run("silences", "list").stdout


def test_one_that_begins_later(run: Busta, alerting: Monitoring) -> None:
    run("silences", "add", "--source", "slow", "--from", "2999-01-01T00:00Z", "--for", "1h", "--reason", "why")
    (made,) = kept(alerting)
    assert made.ends == made.starts + timedelta(hours=1)
    assert "to come" in run("silences", "list").stdout


def test_from_an_alert(run: Busta, alerting: Monitoring) -> None:
    alert = add_alert(alerting.store, rule="down", source="shop-api")
    run("silences", "add", "--from-alert", str(alert.id), "--for", "1d", "--reason", "known")
    assert kept(alerting)[0].matchers == {"source": ["shop-api"], "rule": ["down"]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "shop-api", "--reason", "why"], "how long?"),
        (["--source", "shop-api", "--for", "1h"], "Missing option '--reason'"),
        (["--source", "shop-api", "--for", "1h", "--reason", " "], "a reason is needed"),
        (["--for", "1h", "--reason", "why"], "mute everything"),
        (["--source", "shop-ap", "--for", "1h", "--reason", "why"], "did you mean 'shop-api'?"),
        (["--rule", "donw", "--for", "1h", "--reason", "why"], "did you mean 'down'?"),
        (["--label", "stage", "--for", "1h", "--reason", "why"], "is not NAME=VALUE"),
        (["--source", "shop-api", "--for", "soon", "--reason", "why"], "a duration is a number and a unit"),
        (["--source", "shop-api", "--until", "2020-01-01", "--reason", "why"], "in the future"),
        (["--source", "slow", "--from-alert", "1", "--for", "1h", "--reason", "why"], "leave the other filters out"),
        (["--from-alert", "99", "--for", "1h", "--reason", "why"], "there is no alert '99'"),
    ],
)
def test_what_is_refused(run: Busta, alerting: Monitoring, arguments: list[str], told: str) -> None:
    result = run("silences", "add", *arguments)
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert kept(alerting) == []


def test_a_maintenance_is_not_ended_as_a_silence(run: Busta, alerting: Monitoring) -> None:
    run("maintenance", "start", "slow", "--for", "1h", "--reason", "upgrade")
    (made,) = kept(alerting)
    result = run("silences", "end", str(made.id))
    assert result.exit_code == exits.USAGE
    assert f"busta maintenance end {made.id}" in result.stderr
    assert "there is no silence '99'" in run("silences", "end", "99").stderr

"""`busta alerts` and the alerts of `busta sources`, on rows of a real store."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from rich.console import Console

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.alert_watch import follow
from monitoring_pipeline.records import Alert
from monitoring_pipeline.reports.alerts import AlertFilter
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store.alerts import Decision
from tests.alerting.rows import add_alert
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSTA_USER", "ana")


def fire(monitoring: Monitoring, **values: object) -> Alert:
    """An alert of an hour ago."""
    began = monitoring.clock() - HOUR
    given = {"rule": "down", "source": "shop-api", "started": began, "fired": began, **values}
    return add_alert(monitoring.store, **given)


def alert(monitoring: Monitoring, number: int) -> Alert:
    return monitoring.alert(number).view.alert


# -- lists -------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(run: Busta, alerting: Monitoring) -> None:
    result = run("alerts", "list")
    assert (result.exit_code, result.stdout) == (exits.OK, "")
    assert "Nothing fires." in result.stderr
    assert "busta sources explain" in result.stderr
    assert "No alert matches." in run("alerts", "list", "--severity", "info").stderr
    assert "Nothing fired from" in run("alerts", "history").stderr


def test_without_rules_it_says_so(run: Busta, alerting: Monitoring) -> None:
    path = alerting.config.path
    text = path.read_text()
    path.write_text(text[: text.index("rules:")] + "rules: []\nalerting: {defaults: false}\n")
    assert "There are no rules" in run("alerts", "list").stderr


def test_the_worst_comes_first_with_all_that_matters(run: Busta, alerting: Monitoring) -> None:
    fire(alerting, source="slow", severity="warning", text="status is warning")
    worst = fire(alerting, text="status is [critical]: refused")
    lines = run("alerts", "list").stdout.splitlines()
    (line,) = [each for each in lines if "shop-api" in each]
    assert line.split()[:4] == [str(worst.id), "✖", "critical", "shop-api"]
    assert "1h" in line
    assert "down: status is [critical]: refused" in line
    assert lines.index(line) < next(number for number, each in enumerate(lines) if "warning" in each)


def test_the_list_as_json(run: Busta, alerting: Monitoring) -> None:
    fire(alerting, annotations='{"runbook": "https://example.com/r", "unit": "ms"}')
    found = document(run("alerts", "list", "--json"))
    assert has_shape(found, "alerts list")
    (each,) = found["alerts"]
    assert (each["rule"], each["source"], each["owner"], each["state"]) == ("down", "shop-api", "web team", "firing")
    assert (each["runbook"], each["unit"], each["acknowledged"]) == ("https://example.com/r", "ms", None)
    assert each["age_s"] >= 3600


@pytest.mark.parametrize(
    ("arguments", "sources"),
    [
        ([], {"shop-api", "exports"}),
        (["--severity", "warning"], {"exports"}),
        (["--component", "web"], {"shop-api"}),
        (["--source", "exports"], {"exports"}),
        (["--rule", "down"], {"shop-api", "exports"}),
        (["--team", "web team"], {"shop-api"}),
        (["--tag", "public"], {"shop-api"}),
        (["--state", "resolved"], {"refused"}),
        (["--state", "all"], {"shop-api", "exports", "refused", "nightly"}),
        (["--state", "pending", "--state", "firing"], {"shop-api", "exports", "nightly"}),
        (["--shadow"], {"slow"}),
        (["--limit", "1"], {"shop-api"}),
    ],
)
def test_filters(run: Busta, alerting: Monitoring, arguments: list[str], sources: set[str]) -> None:
    fire(alerting, component="web")
    fire(alerting, source="exports", severity="warning", component="data")
    fire(alerting, source="refused", state="resolved", resolved=alerting.clock())
    fire(alerting, source="nightly", state="pending", severity="info")
    fire(alerting, source="slow", mode="shadow")
    assert {each["source"] for each in document(run("alerts", "list", *arguments, "--json"))["alerts"]} == sources


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["alerts", "list", "--source", "shop-ap"], "did you mean 'shop-api'?"),
        (["alerts", "list", "--component", "wbe"], "there is no component"),
        (["alerts", "list", "--rule", "dwon"], "did you mean 'down'?"),
        (["alerts", "list", "--team", "wep team"], "did you mean 'web team'?"),
        (["alerts", "list", "--tag", "x"], "there is no tag"),
        (["alerts", "list", "--state", "open"], "is not one of"),
        (["alerts", "list", "--watch", "--json"], "exclude each other"),
        (["alerts", "show", "99"], "there is no alert '99'"),
        (["alerts", "explain", "99"], "there is no alert '99'"),
        (["alerts", "ack", "99"], "there is no alert '99'"),
        (["alerts", "ack", "1", "--for", "1h", "--until", "14:30"], "there is no alert"),
        (["alerts", "history", "--since", "0s"], "longer than nothing"),
        (["sources", "alerts", "shop"], "there is no source 'shop'"),
        (["sources", "explain", "shop-api", "--at", "noon"], "is no moment"),
        (["sources", "explain", "shop-api", "--at", "2999-01-01"], "in the future"),
    ],
)
def test_a_wrong_command_line(run: Busta, alerting: Monitoring, arguments: list[str], told: str) -> None:
    result = run(*arguments)
    if "--until" in arguments:
        fire(alerting)
        result, told = run(*arguments), "exclude each other"
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_alerts_of_a_source(run: Busta, alerting: Monitoring) -> None:
    fire(alerting)
    fire(alerting, source="exports")
    found = document(run("sources", "alerts", "exports", "--json"))
    assert has_shape(found, "sources alerts")
    assert [each["source"] for each in found["alerts"]] == ["exports"]
    assert len(document(run("sources", "alerts", "--json"))["alerts"]) == 2


def test_history_tells_how_long_it_lasted(run: Busta, alerting: Monitoring) -> None:
    began = alerting.clock() - HOUR
    over = began + timedelta(minutes=4)
    fire(alerting, source="exports", state="resolved", started=began, fired=began, resolved=over)
    fire(alerting)
    found = document(run("alerts", "history", "--json"))
    assert has_shape(found, "alerts history")
    assert found["summary"] == {"alerts": 2, "open": 1, "median_s": 240.0, "told": 0}
    told = "2 alerts, 1 of them open, 0 told to somebody; those that are over lasted 4m at the median"
    assert told in run("alerts", "history").stdout
    assert document(run("alerts", "history", "--since", "1m", "--json"))["summary"]["alerts"] == 1


# -- one ---------------------------------------------------------------------------------------------


def test_show(run: Busta, alerting: Monitoring) -> None:
    one = fire(alerting, labels='{"stage": "production"}')
    other = fire(alerting, rule="slow", severity="warning")
    run("alerts", "note", str(one.id), "it", "was", "the", "disk")
    text = run("alerts", "show", str(one.id)).stdout
    for expected in ("new -> firing", "stage=production", "it was the disk", "the same source", "busta alerts ack"):
        assert expected in text
    found = document(run("alerts", "show", str(one.id), "--json"))
    assert has_shape(found, "alerts show", more=True)
    assert [(each["by"], each["text"]) for each in found["notes"]] == [("ana", "it was the disk")]
    assert [each["id"] for each in found["related"]] == [other.id]


def test_explain_tells_everything_in_order(run: Busta, alerting: Monitoring) -> None:
    one = fire(alerting)
    with alerting.store.write() as connection:
        at = alerting.clock() - HOUR / 2
        routed = Decision(at, "down", "shop-api", "route", "no_route", "no route matches", alert=one.id)
        stored.decide(connection, [routed])
    run("alerts", "ack", str(one.id), "--note", "on it")
    text = run("alerts", "explain", str(one.id)).stdout
    assert text.index("new -> firing") < text.index("no route matches") < text.index("firing -> acknowledged")
    found = document(run("alerts", "explain", str(one.id), "--json"))
    assert has_shape(found, "alerts explain")
    assert [each["kind"] for each in found["steps"]] == ["changed", "decided", "done", "changed"]
    assert found["steps"][1]["what"] == "route: no route"


def test_why_a_source_did_not_alert(run: Busta, alerting: Monitoring) -> None:
    run("sources", "check", "shop-api")
    result = run("sources", "explain", "shop-api")
    assert result.exit_code == exits.OK
    assert "shop-api was healthy since" in result.stdout
    assert "response_time_ms" in result.stdout
    found = document(run("sources", "explain", "shop-api", "--json"))
    assert has_shape(found, "sources explain")
    assert {each["rule"]: each["verdict"] for each in found["rules"]} == {
        "down": "does_not_hold", "slow": "does_not_hold",
    }  # fmt: skip
    assert document(run("sources", "explain", "exports", "--json"))["other_rules"] == ["slow"]
    before = document(run("sources", "explain", "shop-api", "--at", "2026-01-01T00:00Z", "--json"))
    assert (before["at"], before["status"]) == ("2026-01-01T00:00:00Z", "unknown")


# -- doing something about it ------------------------------------------------------------------------


def test_acknowledging(run: Busta, alerting: Monitoring) -> None:
    one, other = fire(alerting), fire(alerting, source="exports")
    result = run("alerts", "ack", str(one.id), str(other.id), "--for", "2h", "--note", "on it")
    assert result.exit_code == exits.OK
    assert result.stdout.startswith(f"alert {one.id} is acknowledged by ana until ")
    found = alert(alerting, one.id)
    assert found.acknowledged is not None
    assert found.acknowledged_until == found.acknowledged + 2 * HOUR
    assert "was acknowledged by ana already" in run("alerts", "ack", str(one.id)).stdout
    assert "fires again" in run("alerts", "unack", str(one.id)).stdout
    assert alert(alerting, one.id).state.value == "firing"


def test_all_or_none_are_acknowledged(run: Busta, alerting: Monitoring) -> None:
    one, over = fire(alerting), fire(alerting, source="exports", state="resolved", resolution="cleared")
    result = run("alerts", "ack", str(one.id), str(over.id))
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert "is over (cleared); there is nothing to acknowledge" in result.stderr
    assert alert(alerting, one.id).state.value == "firing"


def test_an_acknowledgement_lasts_as_configured(run: Busta, alerting: Monitoring) -> None:
    path = alerting.config.path
    path.write_text(path.read_text() + "alerting: {acknowledge_timeout: 30m}\n")
    one = fire(alerting)
    run("alerts", "ack", str(one.id))
    found = alert(alerting, one.id)
    assert found.acknowledged is not None
    assert found.acknowledged_until == found.acknowledged + HOUR / 2


def test_resolving_by_hand(run: Busta, alerting: Monitoring) -> None:
    one = fire(alerting)
    result = run("alerts", "resolve", str(one.id), "--note", "a false alarm")
    assert "comes back as a new one" in result.stdout
    found = alert(alerting, one.id)
    assert (found.state.value, found.resolution) == ("resolved", "by_hand")


def test_without_a_name_it_is_the_systems_user(
    run: Busta, alerting: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUSTA_USER", " ")
    monkeypatch.setenv("LOGNAME", "ben")
    one = fire(alerting)
    run("alerts", "ack", str(one.id))
    assert alert(alerting, one.id).acknowledged_by == "ben"


# -- watching ----------------------------------------------------------------------------------------


def test_watching_without_a_terminal_tells_changes(alerting: Monitoring, capsys: pytest.CaptureFixture[str]) -> None:
    one = fire(alerting)
    stop, seen = threading.Event(), 0

    def read() -> list[object]:
        nonlocal seen
        views = alerting.alerts(AlertFilter())
        seen += 1
        with alerting.store.write() as connection:
            if seen == 1:
                actions.acknowledge(connection, one.id, "ana", alerting.clock())
            elif seen == 2:
                actions.resolve(connection, one.id, "ana", alerting.clock())
            else:
                stop.set()
        return list(views)

    follow(read, stop=stop, console=Console(width=200))  # type: ignore[arg-type]
    assert [line.split("  ")[:4] for line in capsys.readouterr().out.splitlines()] == [
        [str(one.id), "critical", "shop-api", "firing"],
        [str(one.id), "critical", "shop-api", "acknowledged by ana"],
        [str(one.id), "no longer listed"],
    ]


def test_watching_in_a_terminal_shows_a_table(alerting: Monitoring) -> None:
    for number in range(9):
        fire(alerting, rule=f"rule-{number}")
    stop = threading.Event()
    stop.set()
    console = Console(force_terminal=True, width=100, height=8, record=True)
    follow(lambda: alerting.alerts(AlertFilter()), stop=stop, console=console)
    text = console.export_text()
    assert "rule-0: status is critical" in text
    assert "and 5 more" in text

"""Messages out of alerts: titles, facts, and how much of a storm they list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from monitoring_pipeline.alerting.links import Links
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.alerting.stage import Bundle
from monitoring_pipeline.alerting.telling import Telling, digest_title, key_of, title
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Alert, AlertMode, AlertState, Severity, Source
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import status_changes

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINKS = Links("https://busta.example.com/", b"secret")
RULE = Rule.model_validate(
    {"id": "down", "when": {"kind": "status"}, "description": "It is away.", "runbook": "https://example.com/run"}
)
SOURCES = {
    source.id: source
    for source in (
        Source("db", name="Orders DB", component="bank", owner="team"),
        Source("api", depends_on=("db",)),
        Source("web", depends_on=("api",)),
        *(Source(f"r{number:02}", depends_on=("hub",)) for number in range(25)),
        Source("hub"),
    )
}


def alert(number: int = 1, source: str = "db", severity: str = "critical", state: str = "firing") -> Alert:
    over = NOW if state == "resolved" else None
    return Alert(
        number, f"down|{source}", "down", source, "ping", "bank", Severity(severity), AlertState(state),
        AlertMode.ACTIVE, NOW - timedelta(minutes=5), NOW - timedelta(minutes=3), resolved=over,
        summary=f"{source}: status is {severity}", text=f"status is {severity}", value=3.0,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(f"sqlite:///{tmp_path / 'operational.db'}", NOW)
    yield opened
    opened.close()


def message(store: OperationalStore, *alerts: Alert, links: Links | None = LINKS) -> Message:
    world = World(Plan(rules=(RULE,)), SOURCES, links, "home")
    bundle = Bundle("t", "1", "first", Kind.FIRING, Severity.CRITICAL, alerts, note="please", level=2)
    with store.read() as connection:
        return Telling(connection, world, NOW, alerts).message(bundle)


def facts(store: OperationalStore, told: Alert) -> AlertFacts:
    return message(store, told).alerts[0]


def test_the_facts_of_an_alert(store: OperationalStore) -> None:
    row = {
        "source": "db", "at": to_us(NOW - timedelta(minutes=5)), "before": "healthy", "after": "critical",
        "score": None, "reason": "",
    }  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(status_changes).values(row))
    notes = {"unit": "ms", "metric": "response_time_ms", "expected": "20 to 40"}
    found = facts(store, replace(alert(), annotations=notes, labels={"tier": "1"}, count=2, flapping=True))
    assert found == AlertFacts(
        id=1, rule="down", source="db", name="Orders DB", check="ping", component="bank", owner="team",
        severity=Severity.CRITICAL, state=AlertState.FIRING, summary="db: status is critical",
        text="status is critical", value=3.0, unit="ms", metric="response_time_ms", expected="20 to 40",
        started=NOW - timedelta(minutes=5), fired=NOW - timedelta(minutes=3), count=2, flapping=True,
        affects=("api", "web"), last_change="critical since 2026-03-01 11:55:00 UTC, healthy before",
        description="It is away.", runbook="https://example.com/run", labels={"tier": "1"},
        url="https://busta.example.com/alerts/1", acknowledge_url=LINKS.acknowledge(1),
    )  # fmt: skip


def test_only_what_fires_can_be_acknowledged(store: OperationalStore) -> None:
    assert facts(store, alert(state="acknowledged")).acknowledge_url == ""
    assert facts(store, alert(state="resolved")).acknowledge_url == ""


def test_without_links(store: OperationalStore) -> None:
    told = message(store, alert(), links=None)
    assert (told.url, told.alerts[0].url, told.alerts[0].acknowledge_url) == ("", "", "")


def test_a_hub_names_some_of_what_it_affects(store: OperationalStore) -> None:
    affects = facts(store, alert(source="hub")).affects
    assert (len(affects), affects[0], affects[-1]) == (21, "r00", "and 5 more")


def test_a_source_that_is_gone(store: OperationalStore) -> None:
    found = facts(store, replace(alert(source="gone"), rule="gone"))
    assert (found.name, found.owner, found.affects, found.runbook) == ("gone", "", (), "")


def test_the_frame_of_a_message(store: OperationalStore) -> None:
    told = message(store, alert())
    assert (told.key, told.thread, told.kind, told.reason, told.severity) == ("", "t", "firing", "first", "critical")
    assert (told.at, told.installation, told.level, told.note, told.more) == (NOW, "home", 2, "please", 0)
    assert (told.title, told.url) == ("db: status is critical", "https://busta.example.com/alerts/1")


def test_lists_the_worst_fifty(store: OperationalStore) -> None:
    many = [alert(number, severity="warning") for number in range(1, 60)] + [alert(60), alert(61, state="resolved")]
    told = message(store, *many)
    assert (len(told.alerts), told.more, told.url) == (50, 11, "")
    assert [each.id for each in told.alerts[:3]] == [60, 1, 2]


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        ([alert()], "db: status is critical"),
        ([alert(state="resolved")], "db: status is critical"),
        ([replace(alert(), summary="")], "status is critical"),
        ([replace(alert(), summary="", text="")], "db: down"),
        ([replace(alert(), summary="two\nlines \t here")], "two lines here"),
        ([alert(1), alert(2, "api")], "2 alerts: db, api"),
        ([alert(1, severity="warning"), alert(2, "api"), alert(3, "api")], "3 alerts: api, db"),
        ([alert(1), alert(2, "api", state="resolved")], "db: status is critical; 1 more is over"),
        ([alert(1), alert(2, "a"), alert(3, "b", state="resolved"), alert(4, "c", state="resolved")],
         "2 alerts: db, a; 2 more are over"),
        ([alert(number, f"s{number}") for number in range(1, 9)], "8 alerts: s1, s2, s3, s4, s5 and 3 more"),
    ],
)  # fmt: skip
def test_titles(alerts: list[Alert], words: str) -> None:
    assert title(alerts) == words


def test_a_title_is_one_line_of_limited_length() -> None:
    long = title([replace(alert(), summary="x" * 5000), alert(2, state="resolved")])
    assert len(long) == 300
    assert long.endswith("...; 1 more is over")


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        ([alert()], "1 more alert: 1 critical (db)"),
        ([alert(1), alert(2, severity="info"), alert(3, "api")], "3 more alerts: 2 critical, 1 info (db, api)"),
        ([alert(1, state="resolved")], "1 alert is over (db)"),
        ([alert(1), alert(2, "api", state="resolved")], "1 more alert: 1 critical; 1 alert is over (db)"),
    ],
)
def test_digest_titles(alerts: list[Alert], words: str) -> None:
    assert digest_title(alerts) == words


def test_keys_tell_their_parts_apart() -> None:
    assert key_of("a", "b") == key_of("a", "b")
    assert len({key_of("a", "b"), key_of("ab", ""), key_of("a", "", "b")}) == 3
    assert len(key_of("a")) == 32

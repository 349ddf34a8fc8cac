"""`busta notifications`: what was told, every try, dead letters again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox, tables
from monitoring_pipeline.store.alerts import audit_of
from monitoring_pipeline.store.outbox import Draft
from tests.alerting.rows import add_alert
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape

HOUR = timedelta(hours=1)


def tell(
    monitoring: Monitoring, key: str, state: str = "sent", *, channel: str = "chat", alert: int | None = None,
    hours_ago: float = 0.0, error: str = "",
) -> int:  # fmt: skip
    """A notification with one try."""
    at = monitoring.clock() - hours_ago * HOUR
    draft = Draft(
        key=key, kind="firing", reason="first", channel=channel, thread="t", severity=Severity.CRITICAL,
        message=json.dumps({"title": "shop-api is down", "acknowledge_url": "https://example.com/?token=hidden"}),
        due=at, alert_ids=() if alert is None else (alert,),
    )  # fmt: skip
    with monitoring.store.write() as connection:
        (number,) = outbox.enqueue(connection, [draft], at)
        column = tables.notifications.c.id
        connection.execute(
            update(tables.notifications).where(column == number).values(state=state, attempts=1, error=error)
        )
        tried = {
            "notification_id": number, "at": to_us(at), "duration_ms": 12.0,
            "outcome": "failed" if error else "sent", "code": 500 if error else 200, "detail": error, "worker": "w",
        }  # fmt: skip
        connection.execute(insert(tables.attempts).values(tried))
    return number


def ids(run: Busta, *arguments: str) -> list[int]:
    return [each["id"] for each in document(run("notifications", "log", *arguments, "--json"))["notifications"]]


def test_the_log(run: Busta, alerting: Monitoring) -> None:
    assert "No notification matches." in run("notifications", "log").stderr
    alert = add_alert(alerting.store, rule="down", source="shop-api").id
    old = tell(alerting, "a", hours_ago=3, alert=alert)
    dead = tell(alerting, "b", "dead", channel="other", error="the server answered 500")
    waiting = tell(alerting, "c", "waiting")
    found = document(run("notifications", "log", "--json"))
    assert has_shape(found, "notifications log")
    assert [each["id"] for each in found["notifications"]] == [waiting, dead, old]
    assert ids(run, "--dead") == [dead]
    assert ids(run, "--state", "sent", "--state", "waiting") == [waiting, old]
    assert ids(run, "--channel", "other") == [dead]
    assert ids(run, "--alert", str(alert)) == [old]
    assert ids(run, "--since", "1h") == [waiting, dead]
    assert ids(run, "--kind", "resolved") == []
    assert ids(run, "--limit", "1") == [waiting]
    text = run("notifications", "log").stdout
    assert "shop-api is down (the server answered 500)" in text
    assert "hidden" not in text + run("notifications", "log", "--json").stdout


def test_show(run: Busta, alerting: Monitoring) -> None:
    number = tell(alerting, "a", "dead", error="the server answered 500")
    text = run("notifications", "show", str(number)).stdout
    assert "the server answered 500" in text
    assert f"busta notifications replay {number}" in text
    found = document(run("notifications", "show", str(number), "--json"))
    assert has_shape(found, "notifications show")
    (tried,) = found["tries"]
    assert (tried["outcome"], tried["code"], tried["duration_ms"]) == ("failed", 500, 12.0)


def test_replay(run: Busta, alerting: Monitoring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSTA_USER", "ana")
    first, second, third = (tell(alerting, key, "dead") for key in "abc")
    other = tell(alerting, "d", "dead", channel="other")
    sent = tell(alerting, "e")
    result = run("notifications", "replay", str(first), str(sent))
    assert (result.exit_code, result.stdout) == (exits.OK, "1 to be sent again\n")
    assert f"not dead, so left alone: {sent}" in result.stderr
    assert ids(run, "--state", "waiting") == [first]
    assert run("notifications", "replay", "--dead", "--channel", "chat").stdout == "2 to be sent again\n"
    assert ids(run, "--dead") == [other]
    assert run("notifications", "replay", "--dead", "--since", "1h").stdout == "1 to be sent again\n"
    assert run("notifications", "replay", "--dead").stdout.startswith("0 to be sent again; ")
    with alerting.store.read() as connection:
        for each in (first, second, third, other):
            assert [(act.actor, act.action) for act in audit_of(connection, f"notification:{each}")] == [
                ("ana", "replay")
            ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["log", "--channel", "caht"], "did you mean 'chat'?"),
        (["show", "99"], "there is no notification '99'"),
        (["replay", "99"], "there is no notification '99'"),
        (["replay"], "use --dead"),
        (["replay", "1", "--dead"], "use --dead"),
    ],
)
def test_a_wrong_command_line(run: Busta, alerting: Monitoring, arguments: list[str], told: str) -> None:
    result = run("notifications", *arguments)
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert told in result.stderr


def test_a_channel_that_is_gone_can_still_be_asked_for(run: Busta, alerting: Monitoring) -> None:
    number = tell(alerting, "a", channel="removed")
    assert ids(run, "--channel", "removed") == [number]

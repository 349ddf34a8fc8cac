"""Timelines of alerts through all stages: what happens at which second, and what was written because of it.

Every step builds its world anew; a story that `restarts` opens the store anew as well, so that nothing can be
remembered but in the store.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import select, update

from monitoring_pipeline.alerting import pipeline
from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.alerting.message import Message
from monitoring_pipeline.alerting.spec import AlertingSpec, Plan
from monitoring_pipeline.alerting.stage import World
from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Alert, AlertState, Severity, Source
from monitoring_pipeline.store import alerts, silences, tables
from monitoring_pipeline.store.alerts import Decision
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.silences import Silence, SilenceKind

T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday


class Mail(Channel):
    """A channel that reaches people by their e-mail address."""

    recipient_field: ClassVar[str] = "email"
    kind: str = "mail"


def ops(**fields: Any) -> Channel:
    """A channel without people."""
    return Channel(kind="ops", **fields)


def plan(
    routes: Sequence[Mapping[str, Any]] = (),
    *,
    channels: Mapping[str, Channel] | None = None,
    spec: Mapping[str, Any] | None = None,
    **others: Any,
) -> Plan:
    """A plan; without channels there is one called `ops`."""
    return Plan(
        spec=AlertingSpec.model_validate({"routes": list(routes), **(spec or {})}),
        channels=channels if channels is not None else {"ops": ops()},
        **others,
    )


@dataclass(frozen=True)
class Note:
    """A notification, as far as stories tell of it. `due` in seconds of the story."""

    kind: str
    reason: str
    channel: str
    recipient: str
    sources: tuple[str, ...]
    due: float
    state: str
    message: Message
    key: str
    thread: str
    id: int

    @property
    def said(self) -> tuple[str, str, str]:
        return self.kind, self.reason, self.channel


class Story:
    """Alerts, time, and what is written about them."""

    def __init__(self, url: str, plan: Plan, sources: Iterable[Source] = (), *, restarts: bool = False) -> None:
        self.url, self.plan, self.restarts = url, plan, restarts
        self.sources = {source.id: source for source in sources}
        self.now = T0
        self.seen = 0
        self._store = OperationalStore.open(url, T0)

    def world(self) -> World:
        return World(self.plan, self.sources, None, "test")

    # -- what happens

    def at(self, second: float) -> Story:
        self.now = T0 + timedelta(seconds=second)
        return self

    def fires(self, source: str, severity: str = "critical", **values: Any) -> int:
        return self.fire_all([source], severity, **values)[0]

    def fire_all(self, sources: Iterable[str], severity: str = "critical", **values: Any) -> list[int]:
        rows = [self._row(source, severity, values) for source in sources]
        with self.store() as store, store.write() as connection:
            alerts.insert_alerts(connection, rows)
            alerts.append_transitions(connection, [_change(row, None, row["state"], "fired", self.now) for row in rows])
        return [row["id"] for row in rows]

    def _row(self, source: str, severity: str, values: Mapping[str, Any]) -> dict[str, Any]:
        rule = values.get("rule", "down")
        known = self.sources.get(source, Source(source))
        row = {
            "fingerprint": f"{rule}|{source}", "rule": rule, "source": source, "check_id": "",
            "component": known.component, "severity": severity, "state": "firing", "mode": "active",
            "started": to_us(self.now), "fired": to_us(self.now), "acknowledged": None, "acknowledged_by": "",
            "acknowledged_until": None, "resolved": None, "resolution": "", "summary": f"{source}: it is {severity}",
            "text": f"it is {severity}", "value": None, "count": 1, "flapping": False, "suppressed_by": "",
            "labels": "{}", "annotations": "{}", "clear_since": None, "unknown_since": None, "shift_since": None,
            "shift_to": None, "due": None, **values,
        }  # fmt: skip
        return {**row, "open_key": row["fingerprint"]}

    def over(self, *ids: int) -> None:
        self._move(ids, "resolved", "cleared", resolved=to_us(self.now), open_key=None, suppressed_by="")

    def acknowledged(self, *ids: int, by: str = "eva") -> None:
        self._move(ids, "acknowledged", "acknowledged", acknowledged=to_us(self.now), acknowledged_by=by)

    def unacknowledged(self, *ids: int) -> None:
        self._move(ids, "firing", "unacknowledged", acknowledged=None, acknowledged_by="")

    def shifts(self, *ids: int, severity: str) -> None:
        with self.store() as store, store.write() as connection:
            for alert in alerts.alerts_by_id(connection, ids).values():
                reason = "worse" if Severity(severity).rank > alert.severity.rank else "better"
                alerts.set_state(connection, alert.id, severity=severity)
                row = {"id": alert.id, "severity": severity, "text": ""}
                change = _change(row, alert.state.value, alert.state.value, reason, self.now)
                alerts.append_transitions(connection, [change])

    def _move(self, ids: Iterable[int], state: str, reason: str, **values: Any) -> None:
        with self.store() as store, store.write() as connection:
            for alert in alerts.alerts_by_id(connection, ids).values():
                alerts.set_state(connection, alert.id, state=state, **values)
                alerts.append_transition(connection, alert, AlertState(state), reason, self.now)

    def silence(
        self, kind: str = "silence", *, ends: float | None = None, reason: str = "", **matchers: Any
    ) -> Silence:
        until = None if ends is None else T0 + timedelta(seconds=ends)
        with self.store() as store, store.write() as connection:
            return silences.add(
                connection, SilenceKind(kind), matchers, author="eva", reason=reason, now=self.now, ends=until
            )

    def end(self, silence: Silence) -> None:
        with self.store() as store, store.write() as connection:
            assert silences.end(connection, silence.id, "eva", self.now)

    # -- what is done about it

    def tick(self, *, deliver: bool = True) -> list[Note]:
        """One call; answers what it wrote. What is due then counts as sent."""
        with self.store() as store, store.write() as connection:
            written = pipeline.process(connection, self.world(), self.now)
        new = self.new()
        assert written == sum(note.state != "dropped" for note in new)
        if deliver:
            self.deliver()
        return new

    def said(self) -> list[tuple[str, str, str]]:
        """One call; kind, reason and channel of what it wrote."""
        return [note.said for note in self.tick()]

    def deliver(self) -> None:
        """What is due was sent."""
        table = tables.notifications
        with self.store() as store, store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.state.in_(["waiting", "collecting"]), table.c.due <= to_us(self.now))
                .values(state="sent", sent=to_us(self.now), attempts=1)
            )

    def new(self) -> list[Note]:
        found = [note for note in self.notes() if note.id > self.seen]
        self.seen = max([self.seen, *(note.id for note in found)])
        return found

    # -- what can be seen

    @contextlib.contextmanager
    def store(self) -> Iterator[OperationalStore]:
        if self.restarts:
            self._store.close()
            self._store = OperationalStore.open(self.url, self.now)
        yield self._store

    def notes(self) -> list[Note]:
        table = tables.notifications
        with self.store() as store, store.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.id)).mappings().all()
            about = {row["id"]: [] for row in rows}
            links = tables.notification_alerts.join(
                tables.alerts, tables.alerts.c.id == tables.notification_alerts.c.alert_id
            )
            query = select(tables.notification_alerts.c.notification_id, tables.alerts.c.source).select_from(links)
            for notification, source in connection.execute(query.order_by(tables.alerts.c.id)):
                about[notification].append(source)
        return [
            Note(
                row["kind"], row["reason"], row["channel"], row["recipient"], tuple(about[row["id"]]),
                (from_us(row["due"]) - T0).total_seconds(), row["state"], Message.model_validate_json(row["message"]),
                row["key"], row["thread"], row["id"],
            )
            for row in rows
        ]  # fmt: skip

    def alert(self, alert_id: int) -> Alert:
        with self.store() as store, store.read() as connection:
            return alerts.get_alert(connection, alert_id)

    def decisions(self, *ids: int) -> list[Decision]:
        with self.store() as store, store.read() as connection:
            return alerts.decisions_of(connection, ids)

    def verdicts(self, alert_id: int) -> list[str]:
        return [f"{each.stage} {each.verdict}" for each in self.decisions(alert_id)]

    def group_keys(self) -> list[str]:
        with self.store() as store, store.read() as connection:
            return sorted(connection.execute(select(tables.groups.c.key)).scalars())

    def unhandled(self) -> int:
        with self.store() as store, store.read() as connection:
            return len(alerts.unhandled(connection))


def _change(row: Mapping[str, Any], before: str | None, after: str, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "alert_id": row["id"], "at": to_us(now), "before": before, "after": after, "severity": row["severity"],
        "reason": reason, "text": row["text"], "by": "", "handled": None,
    }  # fmt: skip


def labelled(**labels: str) -> str:
    """The labels of an alert's row."""
    return json.dumps(labels)

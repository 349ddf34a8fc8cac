"""A store with a group of alerts and its escalation, for tests that move a clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import insert, select, update

from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.alerting.people import escalation
from monitoring_pipeline.alerting.spec import (
    AlertingSpec,
    EscalationSpec,
    PersonSpec,
    Plan,
    RotaSpec,
    Route,
    TeamSpec,
)
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Source
from monitoring_pipeline.store import alerts as stored_alerts
from monitoring_pipeline.store import escalations as stored
from monitoring_pipeline.store.escalations import Escalation
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import alerts, decisions, escalations, groups, memberships, notifications

T0 = datetime(2026, 5, 6, 12, tzinfo=UTC)
GROUP = "pages/source=orders#1"


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


class Mail(Channel):
    recipient_field: ClassVar[str] = "email"
    kind: str = "mail"


class Hook(Channel):
    kind: str = "hook"


def person(name: str, **how: Any) -> PersonSpec:
    return PersonSpec(email=f"{name}@example.com", **how)


def policy(*levels: tuple[float, str], **how: Any) -> EscalationSpec:
    listed = [{"after": after * 60, "notify": notify.split()} for after, notify in levels]
    return EscalationSpec.model_validate({"levels": listed, **how})


CLIMB = policy((0, "oncall:primary"), (5, "person:boss"), (15, "channel:war_room person:boss"))


def plan(main: EscalationSpec = CLIMB, **changed: Any) -> Plan:
    parts: dict[str, Any] = {
        "spec": AlertingSpec(routes=(Route(name="pages", escalation="main", notify=("channel:war_room",)),)),
        "channels": {"mail": Mail(), "war_room": Hook()},
        "people": {"anna": person("anna"), "boss": person("boss"), "zoe": person("zoe")},
        "teams": {"ops": TeamSpec(members=("anna", "zoe"), oncall="primary")},
        "rotas": {"primary": RotaSpec(people=("anna",))},
        "escalations": {"main": main},
    }
    return Plan(**(parts | changed))


class Scene:
    """A store with one group of alerts, and hands to move them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = OperationalStore.open(url, T0)
        self.plan = plan()

    # -- what others do ------------------------------------------------------------------------------

    def group(self, key: str = GROUP, *, mode: str = "active", route: str = "pages", since: float = 0) -> None:
        row = {
            "key": key, "route": route, "mode": mode, "labels": "{}", "created": to_us(at(since)), "flush_at": None,
            "flushed_at": None, "notified_at": to_us(at(since)), "sequence": 1,
        }  # fmt: skip
        with self.store.write() as connection:
            connection.execute(insert(groups).values(row))

    def fire(self, source: str = "orders", key: str = GROUP, severity: str = "critical", minute: float = 0) -> int:
        row: dict[str, Any] = {column.name: None for column in alerts.columns if column.name != "id"}
        row |= {
            "fingerprint": f"down|{source}|", "open_key": f"down|{source}|", "rule": "down", "source": source,
            "check_id": "", "component": "sales", "severity": severity, "state": "firing", "mode": "active",
            "started": to_us(at(minute)), "fired": to_us(at(minute)), "acknowledged_by": "", "resolution": "",
            "summary": "", "text": "status (critical) == healthy", "count": 1, "flapping": False, "suppressed_by": "",
            "labels": "{}", "annotations": "{}",
        }  # fmt: skip
        with self.store.write() as connection:
            stored_alerts.insert_alerts(connection, [row])
            member = {
                "group_key": key, "alert_id": row["id"], "joined": to_us(at(minute)), "told_state": "firing",
                "told_severity": severity,
            }  # fmt: skip
            connection.execute(insert(memberships).values(member))
        return int(row["id"])

    def set(self, alert: int, state: str, minute: float = 0, until: float | None = None) -> None:
        values: dict[str, Any] = {"state": state}
        if state == "acknowledged":
            ends = None if until is None else to_us(at(until))
            values |= {"acknowledged": to_us(at(minute)), "acknowledged_by": "anna", "acknowledged_until": ends}
        if state == "suppressed":
            values["suppressed_by"] = "silence 3"
        if state == "resolved":
            values |= {"resolved": to_us(at(minute)), "open_key": None}
        with self.store.write() as connection:
            stored_alerts.set_state(connection, alert, **values)

    def column(self, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(escalations).values(**values))

    # -- what is tested ------------------------------------------------------------------------------

    def begin(self, minute: float = 0, key: str = GROUP, name: str = "main") -> bool:
        with self.store.write() as connection:
            return escalation.begin(connection, key, name, self.plan, at(minute))

    @property
    def world(self) -> World:
        sources = {name: Source(name, component="sales") for name in ("orders", "stock")}
        return World(self.plan, sources, None, "test")

    def step(self, minute: float) -> list[str]:
        """Who was told in this step: addresses and channels, with the level."""
        with self.store.write() as connection:
            before = len(self.told(connection))
            written = escalation.step(connection, self.world, at(minute))
            new = self.told(connection)[before:]
        assert written == len(new)
        return new

    def told(self, connection: Any = None) -> list[str]:
        if connection is None:
            with self.store.read() as mine:
                return self.told(mine)
        query = select(notifications).order_by(notifications.c.id)
        return [
            f"{json.loads(row.message)['level']} {row.recipient.removesuffix('@example.com') or row.channel}"
            for row in connection.execute(query)
        ]

    def now(self, key: str = GROUP) -> Escalation:
        """The group's newest escalation."""
        with self.store.read() as connection:
            return stored.escalations_of(connection, [key])[key][-1]

    def audit(self, minute: float) -> list[str]:
        with self.store.write() as connection:
            return escalation.audit_escalations(connection, self.world, at(minute))

    def lost(self, minute: float) -> int:
        with self.store.read() as connection:
            return escalation.without_next_step(connection, at(minute))

    def next_due(self) -> float | None:
        with self.store.read() as connection:
            moment = escalation.next_due(connection)
        return None if moment is None else (moment - T0) / timedelta(minutes=1)

    def verdicts(self) -> list[str]:
        with self.store.read() as connection:
            query = select(decisions.c.verdict).where(decisions.c.stage == escalation.STAGE).order_by(decisions.c.id)
            return list(connection.execute(query).scalars())

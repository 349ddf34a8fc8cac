"""The contract of a stage: what it is given, and the words for what it decides.

A stage is a function of one `Batch`. It drops something, moves something, or has its one effect, and
says why in a decision. `pipeline.py` has the list of all of them in their order; `stages/` has one file
per stage. Nothing is remembered between two rounds except in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import Connection

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.people.recipients import Recipient
from monitoring_pipeline.alerting.world import Links, World
from monitoring_pipeline.records import Alert, AlertMode, AlertState, Severity, Transition
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store.alerts import Decision
from monitoring_pipeline.store.groups import Group, Member
from monitoring_pipeline.store.told import Told

__all__ = ["Batch", "Bundle", "Fold", "Letter", "Links", "Mute", "Place", "Reason", "Stage", "Verdict", "Why", "World"]


class Verdict(StrEnum):
    """What a stage decided; the word that tests, `explain` and the dashboard read."""

    ROUTED = "routed"
    NO_ROUTE = "no_route"
    INHIBITED = "inhibited"
    SILENCED = "silenced"
    IN_MAINTENANCE = "in_maintenance"
    UNMUTED = "unmuted"
    WAITING = "waiting"
    UNCHANGED = "unchanged"
    NEVER_TOLD = "never_told"
    NOBODY = "nobody"
    UNREACHABLE = "unreachable"
    CHANNEL_OFF = "channel_off"
    BELOW_MINIMUM = "below_minimum"
    RESOLVED_UNWANTED = "resolved_unwanted"
    QUIET_HOURS = "quiet_hours"
    SUPERSEDED = "superseded"
    RESOLVED_IN_QUIET_HOURS = "resolved_in_quiet_hours"
    MUTED_IN_QUIET_HOURS = "muted_in_quiet_hours"
    FOLDED = "folded"
    RESOLVED_IN_DIGEST = "resolved_in_digest"
    QUEUED = "queued"
    SHADOW = "shadow"
    SENDING_OFF = "sending_off"


class Why(StrEnum):
    """Why a group is told something now; the `reason` of its messages."""

    FIRST = "first"
    NEW_ALERTS = "new_alerts"
    UNMUTED = "unmuted"
    WORSE = "worse"
    UNACKNOWLEDGED = "unacknowledged"
    RESOLVED_SOME = "resolved_some"
    ALL_RESOLVED = "all_resolved"
    ACKNOWLEDGED = "acknowledged"
    REMINDER = "reminder"

    @property
    def is_news(self) -> bool:
        """Whether it is for whoever the route names now; the rest is for those who were told before."""
        return self not in (Why.RESOLVED_SOME, Why.ALL_RESOLVED, Why.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an alert is muted. `text` names who or what mutes it and is what people read."""

    verdict: Verdict
    text: str


class Mute(Protocol):
    """Inhibitions, silences and maintenance windows all answer one question."""

    def mutes(self, alert: Alert, now: datetime) -> Reason | None:
        """Why an alert must not notify now, None if it may."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is to be said now, to anybody: why, which kind of message, which alerts.

    Messages of one `thread` belong together, and no two have the same `sequence`. `level` and `note` are an
    escalation's.
    """

    thread: str
    sequence: str
    why: str
    kind: Kind
    severity: Severity
    alerts: tuple[Alert, ...]
    mode: AlertMode = AlertMode.ACTIVE
    level: int = 0
    note: str = ""


Place = tuple[str, str]
"""A channel and an address of it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A bundle to one recipient, to be sent when it is `due`."""

    bundle: Bundle
    recipient: Recipient
    due: datetime

    @property
    def place(self) -> Place:
        """Where it goes."""
        return self.recipient.channel, self.recipient.address

    def __str__(self) -> str:
        channel, address = self.place
        return f"{self.bundle.kind} to {channel}" + (f" ({address})" if address else "")


@dataclass(slots=True)
class Fold:
    """What goes into one digest, or leaves it: `letters` come, alerts that are `over` go.

    `digest` is the notification that gathers already, None for a new one.
    """

    recipient: Recipient
    due: datetime
    digest: Told | None = None
    letters: list[Letter] = field(default_factory=list)
    over: set[int] = field(default_factory=set)


@dataclass
class Batch:
    """One pass through all stages, inside the caller's transaction.

    `alerts` has every open alert and every other one that a group still has to tell of; `moved` the
    transitions that nobody took yet, by alert. Stages add to `muted`, to `bundles` (by the key of the group that
    says them), to `letters`, to `folds` and to `decisions`. `held` are notifications that wait for a later moment;
    `unwanted` letters are kept in the log and not sent, each for a reason.
    """

    connection: Connection
    world: World
    now: datetime
    alerts: dict[int, Alert] = field(default_factory=dict)
    moved: dict[int, list[Transition]] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    muted: dict[int, Reason] = field(default_factory=dict)
    bundles: dict[str, Bundle] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    held: list[Told] = field(default_factory=list)
    folds: dict[tuple[Place, datetime], Fold] = field(default_factory=dict)
    unwanted: list[tuple[Letter, str]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    written: int = 0

    def decide(
        self,
        alerts: Iterable[Alert],
        stage: str,
        verdict: Verdict | Why,
        detail: str = "",
        notification: int | None = None,
    ) -> None:
        """Keeps a decision about alerts."""
        self.decisions.extend(
            Decision(self.now, alert.rule, alert.source, stage, verdict.value, detail, alert.id, notification)
            for alert in alerts
        )

    def pick_up(self) -> None:
        """Takes the transitions that nobody took yet, with their alerts."""
        known = {transition.id for found in self.moved.values() for transition in found}
        for transition in stored.unhandled(self.connection):
            if transition.id not in known:
                self.moved.setdefault(transition.alert, []).append(transition)
        missing = [alert for alert in self.moved if alert not in self.alerts]
        self.alerts.update(stored.alerts_by_id(self.connection, missing))

    def withheld(self, bundle: Bundle) -> Verdict | None:
        """Why a bundle is only looked at and not sent, None when it is sent."""
        if bundle.mode is AlertMode.SHADOW:
            return Verdict.SHADOW
        return None if self.world.plan.spec.sending else Verdict.SENDING_OFF

    def active(self) -> list[Alert]:
        """Alerts that have fired and are not over, by id."""
        return [alert for _, alert in sorted(self.alerts.items()) if alert.state.is_active]

    def mutable(self) -> list[Alert]:
        """Alerts that something may mute: those that fire, and those that are muted already."""
        return [alert for alert in self.active() if alert.state is not AlertState.ACKNOWLEDGED]

    def members(self, group: Group) -> list[tuple[Member, Alert]]:
        """The members of a group with their alerts."""
        found = [(member, self.alerts.get(member.alert)) for member in group.members.values()]
        return [(member, alert) for member, alert in found if alert is not None]


Stage = Callable[[Batch], None]

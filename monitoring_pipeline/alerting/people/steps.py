"""One pass over escalations that have something to do: follow their alerts, tell the levels that are due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.people import ladder
from monitoring_pipeline.alerting.people.recipients import Recipient, Resolved, look_up
from monitoring_pipeline.alerting.spec import EscalationSpec
from monitoring_pipeline.alerting.stage import Bundle, Place
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Alert, AlertMode, AlertState
from monitoring_pipeline.store import alerts as stored_alerts
from monitoring_pipeline.store import escalations as stored
from monitoring_pipeline.store.alerts import Decision
from monitoring_pipeline.store.escalations import Escalation, EscalationState
from monitoring_pipeline.store.overrides import Override, list_overrides

__all__ = ["LATE", "STAGE", "Outcome", "Steps", "Why", "text_of"]

log = structlog.get_logger(__name__)

STAGE = "escalation"
"""The stage in decisions."""
LATE = timedelta(minutes=1)
"""How long a step may be due before the auditor takes it for lost, and how long one that fails waits."""


class Outcome(StrEnum):
    """What a step decided; besides these there are the words of `recipients.Trouble`."""

    LEVEL_TOLD = "level_told"
    NOBODY = "nobody"
    EXHAUSTED = "exhausted"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGEMENT_ENDED = "acknowledgement_ended"
    PAUSED = "paused"
    RESUMED = "resumed"
    RESOLVED = "resolved"
    POLICY_UNREADABLE = "policy_unreadable"


class Why(StrEnum):
    """Why a level is told: its time has come, also in a later round, or an acknowledgement ended."""

    ESCALATED = "escalated"
    ESCALATED_AGAIN = "escalated_again"
    ESCALATED_ANEW = "escalated_anew"


@dataclass(frozen=True, slots=True)
class _Manner:
    """How levels are told."""

    mode: AlertMode
    why: Why


class Steps:
    """Takes escalations one by one, and tells everybody at the end."""

    def __init__(self, connection: Connection, world: World, now: datetime) -> None:
        self._connection, self._world, self._plan, self._now = connection, world, world.plan, now
        self._bundles: list[tuple[Bundle, list[Recipient]]] = []
        self._decisions: list[Decision] = []

    def take(self, escalation: Escalation, alerts: Sequence[Alert], mode: AlertMode) -> None:
        """One escalation. What is wrong with it alone must not keep results from being recorded."""
        try:
            moved = self._moved(escalation, alerts, mode)
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("escalation step failed", escalation=escalation.id, group=escalation.group)
            moved = replace(escalation, next_at=self._now + LATE)
        if moved != escalation:
            stored.update_escalation(self._connection, moved)

    def finish(self) -> int:
        """Keeps the decisions and has everybody told; how many notifications were written."""
        from monitoring_pipeline.alerting import pipeline  # which begins escalations

        stored_alerts.decide(self._connection, self._decisions)
        return pipeline.post(self._connection, self._world, self._bundles, self._now) if self._bundles else 0

    def _moved(self, escalation: Escalation, alerts: Sequence[Alert], mode: AlertMode) -> Escalation:
        policy = self._policy(escalation, alerts)
        if policy is None:
            return ladder.resolved(escalation, self._now)
        return self._follow(escalation, policy, self._expire(policy, alerts), mode)

    def _policy(self, escalation: Escalation, alerts: Sequence[Alert]) -> EscalationSpec | None:
        """Its own copy; one that another version wrote may be unreadable, then what is configured under the name."""
        try:
            return _parsed(escalation.policy)
        except ValueError:
            configured = self._plan.escalations.get(escalation.policy_name)
            rest = "it ends here" if configured is None else "it goes on by what is configured now"
            detail = f"the copy of escalation {escalation.policy_name} cannot be read; {rest}"
            self._decide(alerts, Outcome.POLICY_UNREADABLE, detail)
            return configured

    def _expire(self, policy: EscalationSpec, alerts: Sequence[Alert]) -> list[Alert]:
        """The alerts as they are once acknowledgements that ran out are taken back."""
        return [self._expired(policy, alert) if alert.state is AlertState.ACKNOWLEDGED else alert for alert in alerts]

    def _expired(self, policy: EscalationSpec, alert: Alert) -> Alert:
        until = alert.acknowledged_until
        if until is None and policy.acknowledge_timeout is not None:
            until = (alert.acknowledged or self._now) + policy.acknowledge_timeout
            stored_alerts.set_state(self._connection, alert.id, acknowledged_until=to_us(until))
        if until is None or until > self._now:
            return replace(alert, acknowledged_until=until)
        text = f"the acknowledgement of {alert.acknowledged_by} ran out"
        stored_alerts.unacknowledge(self._connection, alert.id, self._now, reason=text)
        self._decide([alert], Outcome.ACKNOWLEDGEMENT_ENDED, text)
        return replace(
            alert, state=AlertState.FIRING, acknowledged=None, acknowledged_by="", acknowledged_until=None
        )  # fmt: skip

    # -- following the alerts ------------------------------------------------------------------------

    def _follow(
        self, escalation: Escalation, policy: EscalationSpec, alerts: Sequence[Alert], mode: AlertMode
    ) -> Escalation:
        firing = _in(alerts, AlertState.FIRING)
        if firing:
            return self._go_on(escalation, policy, firing, mode)
        working = _in(alerts, AlertState.ACKNOWLEDGED)
        if working:
            return self._wait(escalation, working)
        muted = _in(alerts, AlertState.SUPPRESSED)
        if not muted:
            self._decide(alerts, Outcome.RESOLVED, f"escalation {escalation.policy_name} is over")
            return ladder.resolved(escalation, self._now)
        if escalation.state is EscalationState.PAUSED:
            return replace(escalation, next_at=None)
        self._decide(muted, Outcome.PAUSED, f"escalation {escalation.policy_name} waits: {muted[0].suppressed_by}")
        return ladder.paused(escalation, policy, self._now)

    def _wait(self, escalation: Escalation, alerts: Sequence[Alert]) -> Escalation:
        until = min((each.acknowledged_until for each in alerts if each.acknowledged_until is not None), default=None)
        if escalation.state is EscalationState.ACKNOWLEDGED:
            return replace(escalation, next_at=until)
        names = ", ".join(sorted({each.acknowledged_by for each in alerts if each.acknowledged_by}))
        ends = "" if until is None else f" until {text_of(until)}"
        detail = f"escalation {escalation.policy_name} waits: acknowledged by {names or 'somebody'}{ends}"
        self._decide(alerts, Outcome.ACKNOWLEDGED, detail)
        return ladder.acknowledged(escalation, until, self._now)

    def _go_on(
        self, escalation: Escalation, policy: EscalationSpec, firing: Sequence[Alert], mode: AlertMode
    ) -> Escalation:
        waited = escalation.state
        if waited in (EscalationState.ACKNOWLEDGED, EscalationState.PAUSED):
            escalation = ladder.resumed(escalation, policy, self._now)
            self._decide(firing, Outcome.RESUMED, f"escalation {escalation.policy_name} goes on")
        why = Why.ESCALATED_ANEW if waited is EscalationState.ACKNOWLEDGED else Why.ESCALATED
        return self._climb(escalation, policy, firing, _Manner(mode, why))

    # -- telling levels ------------------------------------------------------------------------------

    def _climb(
        self, escalation: Escalation, policy: EscalationSpec, firing: Sequence[Alert], manner: _Manner
    ) -> Escalation:
        """Tells each level that is due, once: somebody whom several of them name hears of the last of these.

        Whom the group's own message reached in this very moment knows already.
        """
        told: dict[int, Bundle] = {}
        places: dict[Place, tuple[int, Recipient]] = {}
        reached: dict[int, bool] = {}
        while ladder.is_due(escalation, self._now):
            level = escalation.level
            if level not in reached:
                told[level] = _bundle(escalation, policy, firing, manner)
                recipients = self._recipients(escalation, policy, firing)
                places.update({(each.channel, each.address): (level, each) for each in recipients})
                reached[level] = bool(recipients)
            escalation = ladder.climbed(escalation, policy, self._now, reached=reached[level])
            if escalation.state is EscalationState.EXHAUSTED:
                self._decide(firing, Outcome.EXHAUSTED, f"escalation {escalation.policy_name} told its last level")
        for place in stored.told_at(self._connection, escalation.group, places, self._now):
            del places[place]
        for level, bundle in told.items():
            self._bundles.append((bundle, [each for last, each in places.values() if last == level]))
        return escalation

    def _recipients(self, escalation: Escalation, policy: EscalationSpec, firing: Sequence[Alert]) -> list[Recipient]:
        targets = policy.levels[escalation.level].notify
        found = look_up(targets, self._plan, "", self._overrides, self._now)
        self._explain(escalation, found, firing)
        return found.recipients

    def _explain(self, escalation: Escalation, found: Resolved, firing: Sequence[Alert]) -> None:
        level = f"level {escalation.level + 1} of {escalation.policy_name}"
        for problem in found.problems:
            self._decide(firing, problem.trouble, f"{level}, {problem.target}: {problem.detail}")
        names = list(dict.fromkeys(each.person or f"channel {each.channel}" for each in found.recipients))
        if names:
            again = f" (round {escalation.round + 1})" if escalation.round else ""
            self._decide(firing, Outcome.LEVEL_TOLD, f"{level}{again}: {', '.join(names)}")
        else:
            self._decide(firing, Outcome.NOBODY, f"{level} reaches nobody")

    def _decide(self, alerts: Iterable[Alert], verdict: StrEnum, detail: str) -> None:
        self._decisions.extend(
            Decision(self._now, alert.rule, alert.source, STAGE, verdict.value, detail, alert.id) for alert in alerts
        )

    @cached_property
    def _overrides(self) -> list[Override]:
        return list_overrides(self._connection, since=self._now, until=self._now + timedelta(seconds=1))


@lru_cache(maxsize=256)
def _parsed(policy: str) -> EscalationSpec:
    spec: EscalationSpec = EscalationSpec.model_validate_json(policy)
    return spec


def _bundle(escalation: Escalation, policy: EscalationSpec, firing: Sequence[Alert], manner: _Manner) -> Bundle:
    anew = Why.ESCALATED_AGAIN if escalation.round and manner.why is Why.ESCALATED else manner.why
    return Bundle(
        thread=escalation.group,
        sequence=f"e{escalation.id}.{escalation.round}.{escalation.level}.{escalation.resumed}",
        why=anew.value, kind=Kind.ESCALATION,
        severity=max((alert.severity for alert in firing), key=lambda each: each.rank),
        alerts=tuple(firing), mode=manner.mode, level=escalation.level + 1, note=policy.levels[escalation.level].note,
    )  # fmt: skip


def _in(alerts: Iterable[Alert], state: AlertState) -> list[Alert]:
    return [alert for alert in alerts if alert.state is state]


def text_of(moment: datetime) -> str:
    """A moment as people read it in decisions."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

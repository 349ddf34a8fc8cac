"""The alert policy: what happens between an alert that changed and the notifications about it.

`process` runs inside the transaction that recorded results, so that an alert, its state and what is sent
about it are one. All that is remembered between two calls is in the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring_pipeline.alerting.people.recipients import Recipient
from monitoring_pipeline.alerting.stage import Batch, Bundle, Letter, Stage, World
from monitoring_pipeline.alerting.stages.address import address
from monitoring_pipeline.alerting.stages.dedup import dedup
from monitoring_pipeline.alerting.stages.deliver import deliver
from monitoring_pipeline.alerting.stages.group import group
from monitoring_pipeline.alerting.stages.inhibit import inhibit
from monitoring_pipeline.alerting.stages.maintain import maintain
from monitoring_pipeline.alerting.stages.mute import mute
from monitoring_pipeline.alerting.stages.prefer import prefer
from monitoring_pipeline.alerting.stages.recall import recall
from monitoring_pipeline.alerting.stages.record import record
from monitoring_pipeline.alerting.stages.route import route
from monitoring_pipeline.alerting.stages.silence import silence
from monitoring_pipeline.alerting.stages.throttle import throttle
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import AlertState, Transition
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import groups, silences, states
from monitoring_pipeline.store.told import outstanding

__all__ = ["STAGES", "World", "next_due", "post", "process"]

STAGES: tuple[Stage, ...] = (
    route,  # which groups an alert belongs to
    inhibit,  # is it muted by another alert,
    silence,  # by a silence,
    maintain,  # or by maintenance?
    mute,  # then it is suppressed; or fires again
    recall,  # what waits for the end of quiet hours and is muted meanwhile
    group,  # when each group speaks
    dedup,  # what it has to say that was not said, and why
    address,  # to whom
    prefer,  # who wants to hear that, and when
    throttle,  # a storm becomes one digest
    deliver,  # the notifications are written
    record,  # what was told is kept; an escalation begins
)

_ASKED = "alerting.asked"
_ASK_AGAIN = timedelta(seconds=5)


def process(connection: Connection, world: World, now: datetime) -> int:
    """Takes what changed, and what is due, through all stages; answers how many notifications were written."""
    due = next_due(connection, now)
    if due is None or due > now:
        return 0
    moved = stored.unhandled(connection)
    if moved and not any(_matters(each) for each in moved) and not _is_due(connection, now):
        stored.mark_handled(connection, [each.id for each in moved], now)
        return 0
    batch = _begin(connection, world, now)
    for stage in STAGES:
        stage(batch)
    _end(batch)
    return batch.written


def post(
    connection: Connection, world: World, bundles: Sequence[tuple[Bundle, Sequence[Recipient]]], now: datetime
) -> int:
    """Sends bundles to recipients that were found elsewhere, through the same last stages; how many were written."""
    batch = Batch(connection, world, now, held=outstanding(connection, world.plan.channels, now))
    batch.letters = [Letter(bundle, each, now) for bundle, recipients in bundles for each in recipients]
    for stage in (prefer, throttle, deliver):
        stage(batch)
    stored.decide(connection, batch.decisions)
    return batch.written


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """The first moment at which `process` has something to do; None while nothing is open. One cheap query."""
    agenda = groups.agenda(connection, _ASKED)
    if agenda.moved:
        return now
    return _next_clock(connection, agenda, now)


def _is_due(connection: Connection, now: datetime) -> bool:
    moment = _next_clock(connection, groups.agenda(connection, _ASKED), now)
    return moment is not None and moment <= now


def _next_clock(connection: Connection, agenda: groups.Agenda, now: datetime) -> datetime | None:
    if not agenda.is_open:
        return None
    if agenda.asked is None or agenda.asked > now:  # never asked, or the clock was set back
        return now
    moments = [agenda.asked + _ASK_AGAIN, agenda.flush_at, silences.next_change(connection, agenda.asked)]
    return min(moment for moment in moments if moment is not None)


def _matters(transition: Transition) -> bool:
    """Whether it is about an alert that somebody may have to hear of."""
    over = transition.before in (None, AlertState.PENDING) and transition.after is AlertState.RESOLVED
    return transition.after is not AlertState.PENDING and not over


def _begin(connection: Connection, world: World, now: datetime) -> Batch:
    batch = Batch(connection, world, now, groups=groups.open_groups(connection))
    batch.alerts = {alert.id: alert for alert in stored.open_alerts(connection)}
    batch.pick_up()
    members = {alert for each in batch.groups.values() for alert in each.members}
    batch.alerts.update(stored.alerts_by_id(connection, members - batch.alerts.keys()))
    batch.held = outstanding(connection, world.plan.channels, now)
    return batch


def _end(batch: Batch) -> None:
    groups.save(batch.connection, batch.groups.values())
    stored.decide(batch.connection, batch.decisions)
    stored.mark_handled(batch.connection, [each.id for found in batch.moved.values() for each in found], batch.now)
    states.set_meta(batch.connection, _ASKED, str(to_us(batch.now)))

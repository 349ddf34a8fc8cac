"""Which routes take an alert: it becomes a member of one group per route.

The first route that matches decides, unless it says `continue`. An alert stays in every group that told
of it, so that its end is told there as well. As long as nobody was told, it is asked anew each time: what
no route takes at night may be taken in the morning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from monitoring_pipeline.alerting.people.hours import within
from monitoring_pipeline.alerting.rules.life import Reason as Change
from monitoring_pipeline.alerting.spec import Route
from monitoring_pipeline.alerting.stage import Batch, Verdict
from monitoring_pipeline.records import Alert, AlertMode, AlertState, Transition
from monitoring_pipeline.store.groups import Group, Member, group_key

__all__ = ["route"]

Identity = tuple[str, AlertMode, str]


def route(batch: Batch) -> None:
    """Makes active alerts members of groups."""
    homes = {group.identity: group for group in batch.groups.values()}
    lodgings = _lodgings(batch)
    for alert in batch.active():
        told = any(group.members[alert.id].is_told for group in lodgings.get(alert.id, ()) if group.mode is alert.mode)
        if told and not any(_matters(transition) for transition in batch.moved.get(alert.id, ())):
            continue
        wanted = dict(_taken(batch, alert))
        if not wanted and alert.id in batch.moved and alert.id not in lodgings:
            batch.decide([alert], "route", Verdict.NO_ROUTE, "no route takes it")
        for group in lodgings.get(alert.id, ()):
            if group.identity not in wanted and not group.members[alert.id].is_told:
                group.leave(alert.id)
        for identity, name in wanted.items():
            _join(batch, homes, identity, name, alert)


def _lodgings(batch: Batch) -> dict[int, list[Group]]:
    found: dict[int, list[Group]] = {}
    for group in batch.groups.values():
        for alert in group.members:
            found.setdefault(alert, []).append(group)
    return found


def _matters(transition: Transition) -> bool:
    """Whether other routes may take the alert from now on: not because nothing mutes it any more."""
    begins = transition.before is not transition.after and transition.before is not AlertState.SUPPRESSED
    return transition.reason == Change.WORSE or (begins and transition.after is AlertState.FIRING)


def _taken(batch: Batch, alert: Alert) -> Iterator[tuple[Identity, str]]:
    """The groups an alert belongs to by the routes, each with the text of its labels."""
    for name, spec in batch.world.routes.items():
        if batch.world.matches(spec.match, alert) and within(spec.hours, "UTC", batch.now):
            labels = _labels(batch, spec, alert)
            text = ",".join(f"{key}={value}" for key, value in labels.items())
            yield (name, alert.mode, json.dumps(labels, ensure_ascii=False)), text
            if not spec.continue_:
                return


def _labels(batch: Batch, spec: Route, alert: Alert) -> dict[str, str]:
    own = {
        "source": alert.source, "component": alert.component, "rule": alert.rule, "check": alert.check,
        "severity": alert.severity.value,
    }  # fmt: skip
    if "owner" in spec.group_by:
        own["owner"] = batch.world.source_of(alert).owner
    return {name: own[name] if name in own else alert.labels.get(name, "") for name in spec.group_by}


def _join(batch: Batch, homes: dict[Identity, Group], identity: Identity, text: str, alert: Alert) -> None:
    group = homes.get(identity)
    if group is not None and alert.id in group.members:
        return
    name, mode, labels = identity
    if group is None:
        group = Group(group_key(name, mode, text, alert.id), name, mode, labels, batch.now)
        homes[identity] = batch.groups[group.key] = group
    group.members[alert.id] = Member(alert.id, batch.now)
    batch.decide([alert], "route", Verdict.ROUTED, f"route {name}, group {group.key}")

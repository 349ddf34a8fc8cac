"""Alerts and what belongs to them as plain documents: the same keys in `busta --json` and in the API.

Keys are only ever added. Moments stay datetimes; whoever prints them writes UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitoring_pipeline.alerting.people.oncall import Shift, Why
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.records import Alert, Transition
from monitoring_pipeline.reports.alerts import AlertDetail, AlertView, EscalationView
from monitoring_pipeline.reports.channels import ChannelView
from monitoring_pipeline.reports.duty import Coming
from monitoring_pipeline.reports.explain import Step
from monitoring_pipeline.reports.hindsight import SourceThen
from monitoring_pipeline.store.alerts import AuditEntry, Decision
from monitoring_pipeline.store.deliveries import Attempted, Notified
from monitoring_pipeline.store.silences import Silence

__all__ = [
    "alert_document",
    "attempt_document",
    "channel_document",
    "detail_document",
    "hindsight_document",
    "notification_document",
    "on_call_document",
    "shift_document",
    "silence_document",
    "step_document",
    "window_document",
]

Document = dict[str, Any]


def alert_document(view: AlertView) -> Document:
    """One alert of a list."""
    alert, notes = view.alert, view.alert.annotations
    return {
        "id": alert.id, "rule": alert.rule, "source": alert.source, "name": view.name, "check": alert.check,
        "component": alert.component, "owner": view.owner, "severity": alert.severity.value,
        "state": alert.state.value, "mode": alert.mode.value, "summary": alert.summary, "text": alert.text,
        "value": alert.value, "unit": str(notes.get("unit", "")), "started": alert.started, "fired": alert.fired,
        "acknowledged": _acknowledged(alert), "resolved": alert.resolved, "resolution": alert.resolution,
        "age_s": view.age.total_seconds(), "count": alert.count, "flapping": alert.flapping,
        "suppressed_by": alert.suppressed_by, "labels": dict(alert.labels),
        "description": str(notes.get("description", "")), "runbook": str(notes.get("runbook", "")),
        "notifications": dict(view.told),
        "escalation": None if view.escalation is None else _escalation(view.escalation),
    }  # fmt: skip


def _acknowledged(alert: Alert) -> Document | None:
    if alert.acknowledged is None:
        return None
    return {"at": alert.acknowledged, "by": alert.acknowledged_by, "until": alert.acknowledged_until}


def _escalation(view: EscalationView) -> Document:
    return {
        "policy": view.policy, "state": view.state, "level": view.level, "levels": view.levels, "round": view.round,
        "next_at": view.next_at,
    }  # fmt: skip


def detail_document(detail: AlertDetail) -> Document:
    """One alert with everything that belongs to it."""
    return alert_document(detail.view) | {
        "transitions": [_transition(each) for each in detail.transitions],
        "notes": [{"at": each.at, "by": each.actor, "text": each.detail["text"]} for each in detail.notes],
        "audit": [_audit(each) for each in detail.audit],
        "told": [notification_document(each) for each in detail.notifications],
        "related": [_related(each.alert) | {"why": each.why} for each in detail.related],
    }


def _transition(each: Transition) -> Document:
    return {
        "at": each.at, "before": None if each.before is None else each.before.value, "after": each.after.value,
        "severity": each.severity.value, "reason": each.reason, "text": each.text, "by": each.by,
    }  # fmt: skip


def _audit(each: AuditEntry) -> Document:
    return {"at": each.at, "actor": each.actor, "action": each.action, "detail": dict(each.detail)}


def _related(alert: Alert) -> Document:
    return {
        "id": alert.id, "rule": alert.rule, "source": alert.source, "severity": alert.severity.value,
        "state": alert.state.value, "started": alert.started, "resolved": alert.resolved,
    }  # fmt: skip


def notification_document(each: Notified) -> Document:
    """One notification; never its text, which may carry links that act."""
    return {
        "id": each.id, "created": each.created, "kind": each.kind, "reason": each.reason, "channel": each.channel,
        "recipient": each.recipient, "severity": each.severity, "title": each.title, "state": each.state,
        "due": each.due, "attempts": each.attempts, "sent": each.sent, "error": each.error,
        "alerts": list(each.alerts), "fallback_for": each.fallback_for, "key": each.key,
    }  # fmt: skip


def attempt_document(each: Attempted) -> Document:
    """One try to send a notification."""
    return {
        "at": each.at, "duration_ms": each.duration_ms, "outcome": each.outcome, "code": each.code,
        "detail": each.detail, "worker": each.worker,
    }  # fmt: skip


def silence_document(each: Silence, now: datetime) -> Document:
    """One silence or maintenance."""
    return {
        "id": each.id, "kind": each.kind.value, "matchers": dict(each.matchers), "author": each.author,
        "reason": each.reason, "created": each.created, "starts": each.starts, "ends": each.ends,
        "ended_by": each.ended_by, "active": each.is_active(now),
    }  # fmt: skip


def shift_document(each: Shift) -> Document:
    """One shift of a rota; `person` is empty where nobody is on call."""
    return {"person": each.person, "start": each.start, "end": each.end, "why": each.why.value}


def on_call_document(rota: str, shift: Shift | None, plan: Plan) -> Document:
    """Who is on call for one rota."""
    if shift is None:
        return {"rota": rota, "person": "", "name": "", "start": None, "end": None, "why": Why.NOBODY.value}
    person = plan.people.get(shift.person)
    return {"rota": rota, "name": person.name if person else "", **shift_document(shift)}


def window_document(each: Coming, now: datetime) -> Document:
    """One maintenance window of the configuration."""
    window = each.window
    return {
        "name": window.name, "start": window.start, "end": window.end, "open": window.start <= now,
        "sources": each.spec.sources.model_dump(mode="json", exclude_defaults=True),
    }  # fmt: skip


def channel_document(each: ChannelView) -> Document:
    """How one channel does."""
    return {
        "name": each.name, "kind": each.kind, "enabled": each.enabled, "last_ok": each.last_ok,
        "last_failed": each.last_failed, "error": each.error, "failures": each.failures, "tested": each.tested,
        "blocked_until": each.blocked_until, "waiting": each.waiting, "dead": each.dead,
        "self_test_s": None if each.self_test is None else each.self_test.total_seconds(),
    }  # fmt: skip


def step_document(each: Step) -> Document:
    """One step of the way of an alert."""
    return {"at": each.at, "kind": each.kind, "what": each.what, "text": each.text, "by": each.by}


def hindsight_document(then: SourceThen) -> Document:
    """How a source stood at a moment, and why it did or did not alert."""
    return {
        "source": then.source, "at": then.at, "status": then.stood.status.value, "since": then.stood.since,
        "reason": then.stood.reason, "score": then.stood.score, "answer": then.answer,
        "rules": [
            {
                "rule": each.rule, "check": each.check, "mode": each.mode, "verdict": each.verdict.value,
                "text": each.text, "severity": None if each.severity is None else each.severity.value,
                "value": each.value, "alert": each.alert,
            }
            for each in then.rules
        ],
        "other_rules": list(then.others),
        "alerts": [
            {"id": each.alert.id, "rule": each.alert.rule, "state": each.state.value, "severity": each.severity.value}
            for each in then.alerts
        ],
        "mutes": [
            {"kind": each.kind, "text": each.text, "until": each.until, "whole": each.whole} for each in then.mutes
        ],
        "decisions": [_decision(each) for each in then.decisions],
        "notifications": [notification_document(each) for each in then.notifications],
    }  # fmt: skip


def _decision(each: Decision) -> Document:
    return {
        "at": each.at, "alert": each.alert, "rule": each.rule, "stage": each.stage, "verdict": each.verdict,
        "detail": each.detail,
    }  # fmt: skip

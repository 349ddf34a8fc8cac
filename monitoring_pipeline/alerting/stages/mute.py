"""Asks what mutes alerts, and lets them be suppressed or fire again accordingly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from monitoring_pipeline.alerting.stage import Batch, Mute, Reason, Verdict
from monitoring_pipeline.records import Alert, AlertState
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store.groups import rename_mutes

__all__ = ["ask", "mute"]


def ask(batch: Batch, what: Mute) -> None:
    """Asks about every alert that nothing mutes yet."""
    for alert in batch.mutable():
        if alert.id not in batch.muted:
            reason = what.mutes(alert, batch.now)
            if reason is not None:
                batch.muted[alert.id] = reason


def mute(batch: Batch) -> None:
    """Writes down which alerts are muted from now on, no longer, or for another reason."""
    asked = batch.mutable()
    muted = [(alert, batch.muted[alert.id]) for alert in asked if alert.id in batch.muted]
    newly = [(alert, reason) for alert, reason in muted if alert.state is AlertState.FIRING]
    otherwise = [
        (alert, reason)
        for alert, reason in muted
        if alert.state is AlertState.SUPPRESSED and alert.suppressed_by != reason.text
    ]
    free = [alert for alert in asked if alert.id not in batch.muted and alert.state is AlertState.SUPPRESSED]
    stored.set_suppressed(batch.connection, [(alert, reason.text) for alert, reason in newly], batch.now)
    rename_mutes(batch.connection, [(alert.id, reason.text) for alert, reason in otherwise])
    stored.set_unsuppressed(batch.connection, free, batch.now)
    _keep(batch, [*newly, *otherwise], free)
    if newly or free:
        batch.pick_up()


def _keep(batch: Batch, muted: Iterable[tuple[Alert, Reason]], free: Iterable[Alert]) -> None:
    for alert, reason in muted:
        batch.alerts[alert.id] = replace(alert, state=AlertState.SUPPRESSED, suppressed_by=reason.text)
        batch.decide([alert], "mute", reason.verdict, reason.text)
    for alert in free:
        batch.alerts[alert.id] = replace(alert, state=AlertState.FIRING, suppressed_by="")
        batch.decide([alert], "mute", Verdict.UNMUTED, f"no longer: {alert.suppressed_by}")

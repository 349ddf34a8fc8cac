"""Ends that somebody is owed: he was told the beginning, and the message with the end waits and is to be replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from monitoring_pipeline.alerting.stage import Batch
from monitoring_pipeline.records import Alert, AlertState
from monitoring_pipeline.store.alerts import alerts_by_id
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.told import Told, alerts_told, told_of

__all__ = ["Owed"]


class Owed:
    """What notifications that wait would have told, looked up once for all of them."""

    def __init__(self, batch: Batch, waiting: Collection[Told]) -> None:
        self._batch = batch
        self._about = alerts_told(batch.connection, [told.id for told in waiting])
        ids = {alert for found in self._about.values() for alert in found}
        self._alerts = {alert: batch.alerts[alert] for alert in ids & batch.alerts.keys()}
        self._alerts |= alerts_by_id(batch.connection, ids - self._alerts.keys())
        self._reached = {
            (told.place, alert)
            for told, found in (told_of(batch.connection, ids) if ids else {}).items()
            if told.state is not NotificationState.DEAD and not told.is_held(batch.now)
            for alert in found
        }

    def ends(self, waiting: Iterable[Told]) -> list[Alert]:
        """Alerts that are over, in notifications that wait for one recipient whom an earlier one told of them.

        Which thread that was, or whether it was a digest, does not matter.
        """
        ids = {
            alert for told in waiting for alert in self._about.get(told.id, ())
            if (told.place, alert) in self._reached
        }  # fmt: skip
        found = (self._alerts[alert] for alert in sorted(ids) if alert in self._alerts)
        return [alert for alert in found if alert.state is AlertState.RESOLVED]

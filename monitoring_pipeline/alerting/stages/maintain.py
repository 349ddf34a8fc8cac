"""Maintenance mutes alerts: windows of the configuration, and maintenance that somebody started."""

from __future__ import annotations

from datetime import datetime

from monitoring_pipeline.alerting.people import windows
from monitoring_pipeline.alerting.stage import Batch, Reason, Verdict
from monitoring_pipeline.alerting.stages.mute import ask
from monitoring_pipeline.alerting.stages.silence import Silences
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.records import Alert
from monitoring_pipeline.store import silences as stored
from monitoring_pipeline.store.silences import SilenceKind

__all__ = ["Windows", "maintain"]


def maintain(batch: Batch) -> None:
    """Asks which alerts are about sources that are under maintenance."""
    started = stored.active(batch.connection, batch.now, SilenceKind.MAINTENANCE)
    ask(batch, Silences(batch.world, started, Verdict.IN_MAINTENANCE))
    if batch.world.plan.maintenance:
        ask(batch, Windows(batch.world))


class Windows:
    """The maintenance windows of the configuration; asked once per source."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, Reason | None] = {}

    def mutes(self, alert: Alert, now: datetime) -> Reason | None:
        """The window that is open around the alert's source."""
        if alert.source not in self._known:
            window = windows.active(self._world.plan.maintenance, self._world.source_of(alert), now)
            text = "" if window is None else f"maintenance {window.name} until {window.end:%Y-%m-%d %H:%M:%S} UTC"
            self._known[alert.source] = Reason(Verdict.IN_MAINTENANCE, text) if text else None
        return self._known[alert.source]

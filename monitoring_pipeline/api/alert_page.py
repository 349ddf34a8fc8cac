"""Draws the page of one alert: what is wrong, what happened, and the button that acknowledges it."""

from __future__ import annotations

from jinja2 import Environment

from monitoring_pipeline.api.painting import TONES, environment
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.records import AlertState, Severity

__all__ = ["AlertPage"]

_WEB = ("https://", "http://")


class AlertPage:
    """Draws pages for one installation. Safe to use from several threads."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring
        self._env: Environment = environment(monitoring)

    def alert(self, alert_id: int, *, may_act: bool = False, token: str = "") -> bytes:
        """One alert. With `token` the page that the signed link leads to. Raises NotFound."""
        detail = self._monitoring.alert(alert_id)
        steps = self._monitoring.explain_alert(alert_id)
        alert = detail.view.alert
        can_acknowledge = alert.state in (AlertState.FIRING, AlertState.SUPPRESSED)
        runbook = str(alert.annotations.get("runbook", ""))
        text = self._env.get_template("alert.html").render(
            detail=detail, view=detail.view, alert=alert, steps=steps, tone=self._tone(alert.state, alert.severity),
            root="../../" if token else "../", token=token, may_act=may_act,
            can_acknowledge=can_acknowledge and (may_act or bool(token)),
            description=str(alert.annotations.get("description", "")),
            runbook=runbook if runbook.startswith(_WEB) else "",
            acknowledge="acknowledge" if token else f"{alert.id}/acknowledge",
        )  # fmt: skip
        return text.encode()

    def refused(self) -> bytes:
        """The page for a link whose signature is not right."""
        return self._env.get_template("refused.html").render(root="../../").encode()

    def _tone(self, state: AlertState, severity: Severity) -> str:
        return "healthy" if state is AlertState.RESOLVED else TONES[severity]

"""The `alertmanager` channel: alerts as Prometheus sends them, or as Alertmanager's own webhooks send them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent
from monitoring_pipeline.alerting.delivery.paging import is_over
from monitoring_pipeline.alerting.delivery.posting import BaseUrl, SecretUrl, post
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.checks.kinds.http import HttpAuth
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.records import AlertState, Severity

__all__ = ["AlertmanagerChannel"]

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_NOT_OVER = "0001-01-01T00:00:00Z"
_REMEMBERED = 1000
_TEST_LASTS = timedelta(minutes=1)

Labels = dict[str, str]


class AlertmanagerChannel(Channel):
    """Hands alerts to an Alertmanager, or to whatever takes an Alertmanager's webhooks.

    `mode: alerts` posts to `base_url`/api/v2/alerts what Prometheus would: the labels alertname (the rule),
    source, check, component, owner, severity and the alert's own; annotations; startsAt; endsAt. Alertmanager
    forgets an alert that nobody repeats, and this channel sends when something changes: a firing alert
    therefore ends by itself after `valid_for`, unless a reminder repeats it. Severity is a label, so a worse
    alert is a new one there; the old one is ended with it. Alertmanager groups for itself: a digest is sent
    as the alerts it is about.

    `mode: webhook` posts one document of the form that Alertmanager's webhook receivers get (version 4).

    A name of a label keeps letters, digits and `_`; anything else becomes `_`.
    """

    examples: ClassVar[tuple[str, ...]] = (
        """\
alertmanager:
  kind: alertmanager
  base_url: http://alertmanager.example.com:9093
  auth: {username: monitoring, password: "${ALERTMANAGER_PASSWORD}"}
""",
        """\
incidents:
  kind: alertmanager
  mode: webhook
  webhook_url: ${INCIDENTS_WEBHOOK_URL}
""",
    )

    kind: Literal["alertmanager"] = "alertmanager"
    mode: Literal["alerts", "webhook"] = Field(
        "alerts", description="alerts: to an Alertmanager's API. webhook: as an Alertmanager would call a webhook."
    )
    base_url: BaseUrl | None = Field(None, description="Address of the Alertmanager, for mode alerts.")
    webhook_url: SecretUrl | None = Field(None, description="Address of the webhook, for mode webhook.")
    auth: HttpAuth | None = Field(None, description="username and password, or bearer.")
    valid_for: Duration = Field(
        timedelta(days=1),
        gt=timedelta(0),
        description="After this time unrepeated a firing alert ends there.",
    )

    @field_validator("templates")
    @classmethod
    def _no_templates(cls, templates: Mapping[str, str]) -> Mapping[str, str]:
        if templates:
            raise ValueError("this kind has no texts that can be replaced: leave out templates")
        return templates

    @model_validator(mode="after")
    def _one_address(self) -> AlertmanagerChannel:
        if self.mode == "alerts" and (self.base_url is None or self.webhook_url is not None):
            raise ValueError("mode alerts needs base_url, the address of the Alertmanager, and no webhook_url")
        if self.mode == "webhook" and (self.webhook_url is None or self.base_url is not None):
            raise ValueError("mode webhook needs webhook_url, and no base_url")
        return self

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One request for all alerts of the message; see `Channel.send`."""
        if self.webhook_url is not None:
            return await self._send(context, self.webhook_url.get_secret_value(), _document(message), secret=True)
        if message.kind is Kind.TEST or not message.alerts:
            alert = _of_message(message, self._until(message))
            return await self._send(context, f"{self.base_url}/api/v2/alerts", [alert])
        told = _severities(context.reference)
        alerts = [self._posted(alert, message) for alert in message.alerts]
        alerts += [_ended_by_a_change(alert, message, told) for alert in message.alerts if _changed(alert, told)]
        sent = await self._send(context, f"{self.base_url}/api/v2/alerts", alerts)
        return Sent(code=sent.code, detail=f"{len(alerts)} posted", reference=_memory(told, message))

    async def _send(self, context: SendContext, url: str, document: Any, *, secret: bool = False) -> Sent:
        answer = await post(
            context,
            url,
            json=document,
            headers={"Authorization": self.auth.header()} if self.auth else None,
            what="Alertmanager",
            secrets=_credentials(self.auth),
            url_is_secret=secret,
        )
        return Sent(code=answer.code)

    def _until(self, message: Message) -> datetime:
        if message.kind is Kind.RESOLVED:
            return message.at
        return message.at + (_TEST_LASTS if message.kind is Kind.TEST else self.valid_for)

    def _posted(self, alert: AlertFacts, message: Message) -> dict[str, Any]:
        ends = (alert.resolved or message.at) if is_over(alert, message) else self._until(message)
        return _posted(alert, alert.severity, message, ends)


def _credentials(auth: HttpAuth | None) -> tuple[str, ...]:
    if auth is None:
        return ()
    return tuple(secret.get_secret_value() for secret in (auth.password, auth.bearer) if secret)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _posted(alert: AlertFacts, severity: Severity, message: Message, ends: datetime) -> dict[str, Any]:
    starts = alert.fired or alert.started
    posted = {
        "labels": _labels(alert, severity),
        "annotations": _annotations(alert, message),
        "startsAt": _time(starts),
        "endsAt": _time(max(starts, ends)),
    }
    return posted | ({"generatorURL": alert.url} if wording.is_link(alert.url) else {})


def _of_message(message: Message, ends: datetime) -> dict[str, Any]:
    """A message without alerts, such as a test."""
    labels = {"alertname": f"monitoring_{message.kind}", "severity": message.severity.value}
    labels |= {"installation": message.installation} if message.installation else {}
    annotations = {"summary": wording.title(message), "description": wording.lead(message)}
    return {
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": _time(message.at),
        "endsAt": _time(ends),
    }


def _labels(alert: AlertFacts, severity: Severity) -> Labels:
    own = {_label_name(name): value for name, value in sorted(alert.labels.items())}
    ours = {
        "alertname": alert.rule,
        "source": alert.source,
        "check": alert.check,
        "component": alert.component,
        "owner": alert.owner,
        "severity": severity.value,
    }
    return {name: value for name, value in {**own, **{k: v for k, v in ours.items() if v}}.items() if value}


def _label_name(name: str) -> str:
    safe = _NOT_IN_NAMES.sub("_", name)
    return safe if safe and not safe[0].isdigit() else f"_{safe}"


def _annotations(alert: AlertFacts, message: Message) -> Labels:
    rows = {_label_name(label.lower()): line for label, line in wording.rows(alert, message)}
    own = {
        "summary": alert.summary or f"{alert.name}: {alert.text}",
        "description": alert.description or alert.text,
        "runbook_url": alert.runbook,
        "value": "" if alert.value is None else f"{alert.value:.12g}",
        "acknowledged_by": alert.acknowledged_by,
        "acknowledge_url": alert.acknowledge_url if alert.state is AlertState.FIRING else "",
        "note": message.note,
    }
    return {name: text for name, text in {**rows, **own}.items() if text}


def _severities(reference: Mapping[str, Any] | None) -> dict[str, str]:
    """At which severities the alerts of the thread are known there, by their id."""
    return {str(name): str(severity) for name, severity in ((reference or {}).get("severities") or {}).items()}


def _changed(alert: AlertFacts, told: Mapping[str, str]) -> bool:
    before = told.get(str(alert.id), alert.severity.value)
    return before != alert.severity.value and before in set(Severity)


def _ended_by_a_change(alert: AlertFacts, message: Message, told: Mapping[str, str]) -> dict[str, Any]:
    return _posted(alert, Severity(told[str(alert.id)]), message, message.at)


def _memory(told: Mapping[str, str], message: Message) -> dict[str, Any]:
    still = dict(told)
    for alert in message.alerts:
        still.pop(str(alert.id), None)
        if not is_over(alert, message):
            still[str(alert.id)] = alert.severity.value
    return {"severities": dict(list(still.items())[-_REMEMBERED:])}


def _document(message: Message) -> dict[str, Any]:
    """What a webhook receiver of Alertmanager gets, version 4 of it."""
    listed = () if message.kind is Kind.TEST else message.alerts
    alerts = [_called(alert, message) for alert in listed] or [_called_for_message(message)]
    return {
        "version": "4",
        "groupKey": message.thread,
        "truncatedAlerts": message.more,
        "status": "resolved" if all(alert["status"] == "resolved" for alert in alerts) else "firing",
        "receiver": message.installation or "monitoring-pipeline",
        "groupLabels": {},
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
        "externalURL": message.url,
        "alerts": alerts,
    }


def _called(alert: AlertFacts, message: Message) -> dict[str, Any]:
    over = is_over(alert, message)
    posted = _posted(alert, alert.severity, message, alert.resolved or message.at)
    return {
        "status": "resolved" if over else "firing",
        **posted,
        "endsAt": posted["endsAt"] if over else _NOT_OVER,
        "generatorURL": posted.get("generatorURL", ""),
        "fingerprint": _fingerprint(posted["labels"]),
    }


def _called_for_message(message: Message) -> dict[str, Any]:
    posted = _of_message(message, message.at)
    over = message.kind is Kind.RESOLVED
    tail = {"endsAt": posted["endsAt"] if over else _NOT_OVER, "generatorURL": ""}
    fingerprint = {"fingerprint": _fingerprint(posted["labels"])}
    return {"status": "resolved" if over else "firing", **posted, **tail, **fingerprint}


def _common(every: Sequence[Labels]) -> Labels:
    return {name: value for name, value in every[0].items() if all(each.get(name) == value for each in every)}


def _fingerprint(labels: Labels) -> str:
    whole = "\xff".join(f"{name}\xfe{value}" for name, value in sorted(labels.items()))
    return hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:16]

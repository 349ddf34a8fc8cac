"""The `pagerduty` channel: an event per alert, by the Events API v2."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent
from monitoring_pipeline.alerting.delivery.paging import Act, Step, carry_out, memory, steps
from monitoring_pipeline.alerting.delivery.posting import BaseUrl, post
from monitoring_pipeline.alerting.delivery.templating import of_alert, own_text
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import Severity

__all__ = ["PagerDutyChannel"]

_DEDUP_KEY = 255
_SUMMARY = 1024
_FIELD = 255
_ACTIONS = {Act.OPEN: "trigger", Act.ACKNOWLEDGE: "acknowledge", Act.CLOSE: "resolve"}


class PagerDutyChannel(Channel):
    """Triggers, acknowledges and resolves PagerDuty alerts through the Events API v2.

    Every alert of a message is an event of its own, whose `dedup_key` is made of the installation's name
    and the alert's id: sending again, reminders and escalations add to the open incident and open no second
    one. An acknowledgement acknowledges, an end resolves. A digest is one event. A test triggers and at once
    resolves an alert of severity info.

    Templates: `summary`, the line on the pager; in it `alert` is the alert of the event.
    """

    template_names: ClassVar[tuple[str, ...]] = ("summary",)
    examples: ClassVar[tuple[str, ...]] = (
        """\
pager:
  kind: pagerduty
  routing_key: ${PAGERDUTY_ROUTING_KEY}
  minimum_severity: critical
""",
    )

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: SecretStr = Field(description="Integration key of a service's Events API v2 integration.")
    base_url: BaseUrl = Field(
        "https://events.pagerduty.com", description="Where events go; https://events.eu.pagerduty.com in the EU."
    )

    @field_validator("routing_key")
    @classmethod
    def _has_a_key(cls, key: SecretStr) -> SecretStr:
        if not key.get_secret_value().strip():
            raise ValueError("the routing key is empty: take the integration key of an Events API v2 integration")
        return key

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One event per alert; see `Channel.send`."""

        async def send_one(step: Step) -> int:
            answer = await post(
                context,
                f"{self.base_url}/v2/enqueue",
                json=self._event(step, message),
                what="PagerDuty",
                url_is_secret=False,
                secrets=(self.routing_key.get_secret_value(),),
            )
            return answer.code

        todo = steps(message, context.reference, _DEDUP_KEY)
        codes = await carry_out(todo, send_one)
        return Sent(code=codes[0] if codes else None, detail=_told(todo), reference=memory(context.reference, todo))

    def _event(self, step: Step, message: Message) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self.routing_key.get_secret_value(),
            "event_action": _ACTIONS[step.act],
            "dedup_key": step.id,
        }
        if step.act is not Act.OPEN:
            return event
        event["payload"] = _of_alert(step.alert, message) if step.alert else _of_message(message)
        own = own_text(self.templates, "summary", of_alert(message, step.alert))
        if own and own.strip():
            event["payload"]["summary"] = wording.one_line(own, _SUMMARY)
        event["links"] = _links(step.alert, message)
        event["client"] = message.installation or "monitoring-pipeline"
        if wording.is_link(message.url):
            event["client_url"] = message.url
        return event


def _told(todo: list[Step]) -> str:
    counts = {act: sum(step.act is act for step in todo) for act in Act}
    return ", ".join(f"{count} {_ACTIONS[act]}" for act, count in counts.items() if count)


def _of_alert(alert: AlertFacts, message: Message) -> dict[str, Any]:
    facts: dict[str, Any] = dict(wording.rows(alert, message))
    facts |= {"Rule": alert.rule, "Reason": message.reason, "Note": message.note, "Labels": dict(alert.labels)}
    payload = {
        "summary": wording.one_line(alert.summary or f"{alert.name}: {alert.text}", _SUMMARY),
        "source": wording.one_line(alert.source, _FIELD),
        "severity": alert.severity.value,
        "timestamp": (alert.fired or alert.started).isoformat(),
        "component": wording.one_line(alert.component, _FIELD),
        "group": wording.one_line(alert.owner, _FIELD),
        "class": wording.one_line(alert.rule, _FIELD),
        "custom_details": {name: fact for name, fact in facts.items() if fact},
    }
    return {name: value for name, value in payload.items() if value}


def _of_message(message: Message) -> dict[str, Any]:
    lines = [wording.one_line(alert.summary or alert.text) for alert in message.alerts]
    facts = {"Why": wording.lead(message), "Note": message.note, "Alerts": lines, "Not listed": message.more}
    return {
        "summary": wording.one_line(wording.title(message), _SUMMARY),
        "source": wording.one_line(message.installation or "monitoring-pipeline", _FIELD),
        "severity": Severity.INFO.value if message.kind is Kind.TEST else message.severity.value,
        "timestamp": message.at.isoformat(),
        "class": message.kind.value,
        "custom_details": {name: fact for name, fact in facts.items() if fact},
    }


def _links(alert: AlertFacts | None, message: Message) -> list[dict[str, str]]:
    found = wording.links(alert) if alert else [("Details", message.url)] if wording.is_link(message.url) else []
    return [{"href": url, "text": label} for label, url in found]

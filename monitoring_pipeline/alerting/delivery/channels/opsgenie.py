"""The `opsgenie` channel: an alert per alert, by the Alert API v2 of Opsgenie and of what is compatible with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent
from monitoring_pipeline.alerting.delivery.paging import Act, Step, carry_out, memory, steps
from monitoring_pipeline.alerting.delivery.posting import BaseUrl, post
from monitoring_pipeline.alerting.delivery.templating import of_alert, own_text
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import Severity

__all__ = ["OpsgenieChannel"]

Priority = Literal["P1", "P2", "P3", "P4", "P5"]

_US = "monitoring-pipeline"
_ALIAS, _MESSAGE, _DESCRIPTION, _ENTITY, _SOURCE = 512, 130, 15000, 512, 100
_TAGS, _TAG = 20, 50
_DETAILS = 8000
_UNKNOWN_IS_FINE = (404, 409)
_PRIORITIES: Mapping[Severity, Priority] = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P5",
}
_VERBS = {Act.ACKNOWLEDGE: "acknowledge", Act.CLOSE: "close"}


class OpsgenieChannel(Channel):
    """Creates, acknowledges and closes alerts through the Alert API v2 (Opsgenie, Jira Service Management, others).

    Every alert of a message is one of theirs, known by an `alias` made of the installation's name and the
    alert's id: creating it again counts up the open one. When an alert that is open there is sent again, its
    priority is set as well, because creating does not change it. Acknowledging or closing what they do not
    know (404, 409) is fine. A digest is one alert. A test creates and at once closes one of the lowest
    priority.

    Templates: `message`, the headline (130 characters), and `description`; in both `alert` is the alert.
    """

    template_names: ClassVar[tuple[str, ...]] = ("message", "description")
    examples: ClassVar[tuple[str, ...]] = (
        """\
opsgenie:
  kind: opsgenie
  api_key: ${OPSGENIE_API_KEY}
  base_url: https://api.eu.opsgenie.com
  teams: [data-platform]
  priorities: {error: P1}
""",
    )

    kind: Literal["opsgenie"] = "opsgenie"
    api_key: SecretStr = Field(description="API key of an API integration.")
    base_url: BaseUrl = Field(
        "https://api.opsgenie.com", description="Where the API is; https://api.eu.opsgenie.com in the EU."
    )
    teams: tuple[str, ...] = Field((), description="Teams that are to respond, by name; the integration's by default.")
    tags: tuple[str, ...] = Field((), description="Tags that every alert gets.")
    priorities: Mapping[Severity, Priority] = Field(
        default_factory=dict, description="Priorities other than critical P1, error P2, warning P3, info P5."
    )

    @field_validator("api_key")
    @classmethod
    def _has_a_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if not text.strip() or not text.isascii() or not text.isprintable():
            raise ValueError("the API key is empty or holds characters that no key has")
        return key

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One request per alert, two for those that are open already; see `Channel.send`."""
        known = memory(context.reference, ())["open"]

        async def send_one(step: Step) -> int:
            if step.act is not Act.OPEN:
                return await self._change(step, message, context)
            code = await self._post(context, "/v2/alerts", self._alert(step, message))
            if step.id in known and step.alert is not None:
                priority = {"priority": self._priority(step.alert.severity)}
                await self._post(context, _path(step.id, "priority"), priority, "PUT")
            return code

        todo = steps(message, context.reference, _ALIAS)
        codes = await carry_out(todo, send_one)
        return Sent(code=codes[0] if codes else None, detail=_told(todo), reference=memory(context.reference, todo))

    async def _change(self, step: Step, message: Message, context: SendContext) -> int:
        who = step.alert.acknowledged_by if step.alert else ""
        note = f"acknowledged by {who}" if who and step.act is Act.ACKNOWLEDGE else message.reason
        body = {"user": _US, "source": _source(message), "note": wording.one_line(note)}
        return await self._post(context, _path(step.id, _VERBS[step.act]), body)

    async def _post(self, context: SendContext, path: str, body: Mapping[str, Any], method: str = "POST") -> int:
        answer = await post(
            context,
            f"{self.base_url}{path}",
            json=body,
            headers={"Authorization": f"GenieKey {self.api_key.get_secret_value()}"},
            what="Opsgenie",
            url_is_secret=False,
            method=method,
            accept=() if path == "/v2/alerts" else _UNKNOWN_IS_FINE,
        )
        return answer.code

    def _priority(self, severity: Severity) -> Priority:
        return self.priorities.get(severity, _PRIORITIES[severity])

    def _alert(self, step: Step, message: Message) -> dict[str, Any]:
        alert = step.alert
        severity = alert.severity if alert else message.severity
        alone = of_alert(message, alert)
        headline, text = (own_text(self.templates, name, alone) for name in ("message", "description"))
        known = {
            "message": wording.one_line(headline or _headline(alert, message), _MESSAGE),
            "alias": step.id,
            "description": (text or _description(alert, message))[:_DESCRIPTION],
            "entity": wording.one_line(alert.source if alert else "", _ENTITY),
            "source": _source(message),
            "priority": "P5" if message.kind is Kind.TEST else self._priority(severity),
            "tags": _distinct([*self.tags, severity.value, *([alert.rule, alert.component] if alert else [])]),
            "responders": [{"type": "team", "name": team} for team in self.teams],
            "details": _details(alert, message),
        }
        return {name: value for name, value in known.items() if value}


def _path(alias: str, verb: str) -> str:
    return f"/v2/alerts/{quote(alias, safe='', errors='replace')}/{verb}?identifierType=alias"


def _told(todo: list[Step]) -> str:
    words = {Act.OPEN: "created", Act.ACKNOWLEDGE: "acknowledged", Act.CLOSE: "closed"}
    counts = {act: sum(step.act is act for step in todo) for act in Act}
    return ", ".join(f"{count} {words[act]}" for act, count in counts.items() if count)


def _source(message: Message) -> str:
    return wording.one_line(message.installation or _US, _SOURCE)


def _headline(alert: AlertFacts | None, message: Message) -> str:
    return (alert.summary or f"{alert.name}: {alert.text}") if alert else wording.title(message)


def _description(alert: AlertFacts | None, message: Message) -> str:
    if alert is None:
        return wording.text(message)
    head = [line for line in (wording.lead(message), wording.one_line(message.note)) if line]
    lines = [f"{label}: {line}" for label, line in [*wording.rows(alert, message), *wording.links(alert)]]
    return "\n".join([*head, *lines])


def _distinct(tags: list[str]) -> list[str]:
    short = (wording.one_line(tag.replace(",", " "), _TAG) for tag in tags if tag)
    return list(dict.fromkeys(short))[:_TAGS]


def _details(alert: AlertFacts | None, message: Message) -> dict[str, str]:
    """The map beside the description, as much of it as they take (8,000 characters over all)."""
    known = {"reason": message.reason, "installation": message.installation, "url": message.url}
    if alert is not None:
        known |= {"source": alert.source, "rule": alert.rule, "check": alert.check, "component": alert.component}
        known |= {"owner": alert.owner, "runbook": alert.runbook, "severity": alert.severity.value}
        known |= {f"label_{name}": value for name, value in sorted(alert.labels.items())}
    kept: dict[str, str] = {}
    left = _DETAILS
    for name, value in ((name, wording.one_line(value)) for name, value in known.items() if value):
        left -= len(name) + len(value)
        if left >= 0:
            kept[name] = value
    return kept

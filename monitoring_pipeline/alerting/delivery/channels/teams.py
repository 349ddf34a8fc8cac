"""The `teams` channel: an Adaptive Card to a webhook of a Teams workflow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent
from monitoring_pipeline.alerting.delivery.posting import SecretUrl, as_json, post
from monitoring_pipeline.alerting.delivery.templating import own_text
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import AlertState, Severity

__all__ = ["TeamsChannel"]

_LARGEST = 28 * 1024
_LISTED = 20
_LINE, _SHORT_LINE = 600, 150
_OWN = 5000
_URL = 2000
_STYLES = {
    Severity.INFO: "accent",
    Severity.WARNING: "warning",
    Severity.ERROR: "attention",
    Severity.CRITICAL: "attention",
}

Element = dict[str, Any]


class TeamsChannel(Channel):
    """Posts an Adaptive Card (version 1.4) to a Microsoft Teams channel or chat.

    In Teams, add the workflow "Post to a channel when a webhook request is received" and give its address as
    `webhook_url`. What others wrote is shown literally: it is no Markdown. Teams takes 28 KB, so of many
    alerts the worst are listed and the others counted. A card cannot be changed later: each message is a new
    one.

    Templates: `title`, the headline, and `text`, which replaces what is said of the alerts (5,000 characters);
    `text` may hold the Markdown that cards know.
    """

    template_names: ClassVar[tuple[str, ...]] = ("title", "text")
    examples: ClassVar[tuple[str, ...]] = (
        """\
teams:
  kind: teams
  webhook_url: ${TEAMS_WEBHOOK_URL}
""",
    )

    kind: Literal["teams"] = "teams"
    webhook_url: SecretUrl = Field(description="Address of the workflow's webhook.")

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One card; see `Channel.send`."""
        url = self.webhook_url.get_secret_value()
        headers = {"Content-Type": "application/json"}
        answer = await post(context, url, body=self._body(message), headers=headers, what="Teams")
        return Sent(code=answer.code)

    def _body(self, message: Message) -> bytes:
        """The largest of the possible cards that Teams takes."""
        own_title = wording.one_line(own_text(self.templates, "title", message) or "")
        own = own_text(self.templates, "text", message)
        bodies = (as_json(_posted(message, card)) for card in _cards(message, own_title, own))
        body = b""
        for body in bodies:
            if len(body) <= _LARGEST:
                break
        return body


def _posted(message: Message, card: Element) -> dict[str, Any]:
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "summary": wording.title(message), "attachments": [attachment]}


def _cards(message: Message, title: str, own: str | None) -> Iterator[Element]:
    """The card, and then ever smaller ones."""
    if own is not None:
        for length in (_OWN, _OWN // 2, _OWN // 4):
            text = {"type": "TextBlock", "text": own.strip()[:length], "wrap": True}
            yield _card(message, title, [text], [])
        return
    if len(message.alerts) == 1 and message.kind is not Kind.DIGEST:
        alert = message.alerts[0]
        for width in (_LINE, _SHORT_LINE):
            yield _card(message, title, [_whole(alert, message, width)], _actions(alert))
    for shown in range(min(len(message.alerts), _LISTED), -1, -1):
        listed = [_short(alert, message) for alert in message.alerts[:shown]]
        yield _card(message, title, [*listed, *_left_out(message, shown)], [])


def _card(message: Message, title: str, middle: list[Element], actions: list[Element]) -> Element:
    said = [_rich([_run(line)]) for line in (wording.lead(message), wording.one_line(message.note)) if line]
    headline = _run(title or wording.title(message), weight="Bolder", size="Medium")
    last = f"{wording.moment(message.at)}" + (f" · {message.installation}" if message.installation else "")
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": wording.title(message),
        "body": [
            {"type": "Container", "style": _style(message), "bleed": True, "items": [_rich([headline])]},
            *said,
            *middle,
            _rich([_run(wording.one_line(last, 200), isSubtle=True, size="Small")]),
        ],
    }
    offered = actions or ([_open("Details", message.url)] if _is_link(message.url) else [])
    return {**card, "actions": offered} if offered else card


def _style(message: Message) -> str:
    return "good" if message.kind in (Kind.RESOLVED, Kind.TEST) else _STYLES[message.severity]


def _whole(alert: AlertFacts, message: Message, width: int) -> Element:
    lines = [(label, wording.one_line(line, width)) for label, line in wording.rows(alert, message)]
    items = [_rich([_run(wording.one_line(wording.heading(alert), width), weight="Bolder")])]
    items += [_rich([_run(f"{label}: ", weight="Bolder"), _run(line)], spacing="Small") for label, line in lines]
    return {"type": "Container", "items": items}


def _short(alert: AlertFacts, message: Message) -> Element:
    """One of several alerts in two lines; its links stand behind it."""
    state = "resolved" if alert.state is AlertState.RESOLVED else alert.severity.value
    what = wording.one_line(alert.text or alert.summary, _SHORT_LINE)
    told = {label: line for label, line in wording.rows(alert, message) if label in ("Since", "Lasted", "Normal")}
    facts = "; ".join(f"{label}: {wording.one_line(line, _SHORT_LINE)}" for label, line in told.items())
    heading = _run(wording.one_line(f"[{state}] {wording.heading(alert)}", _SHORT_LINE), weight="Bolder")
    runs = [heading, _run(f" {what}")]
    for label, url in wording.links(alert):
        if _is_link(url):
            runs += [_run("  "), _run(label, selectAction=_open(label, url))]
    items = [_rich(runs), _rich([_run(facts, isSubtle=True)], spacing="None")]
    return {"type": "Container", "separator": True, "items": items}


def _left_out(message: Message, shown: int) -> list[Element]:
    missing = len(message.alerts) - shown + message.more
    return [_rich([_run(f"... and {missing} more")])] if missing else []


def _actions(alert: AlertFacts) -> list[Element]:
    return [_open(label, url) for label, url in wording.links(alert) if _is_link(url)]


def _is_link(url: str) -> bool:
    return len(url) <= _URL and wording.is_link(url)


def _open(title: str, url: str) -> Element:
    return {"type": "Action.OpenUrl", "title": title, "url": url}


def _rich(runs: list[Element], **more: str) -> Element:
    """A paragraph of runs: unlike a TextBlock it takes no text for Markdown."""
    return {"type": "RichTextBlock", "inlines": runs, **more}


def _run(text: str, **more: Any) -> Element:
    return {"type": "TextRun", "text": text, **more}

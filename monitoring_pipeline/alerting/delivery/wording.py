"""The words of a message for people, the same on every channel: what, since when, what is normal, what next.

A channel that has a form of its own (blocks, cards) takes `title`, `lead` and `rows`; one that takes text
takes `text`, `markdown` or `short`. Texts of the user's own are rendered by `render`. Who is told and when
does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring_pipeline.alerting.delivery import sandbox
from monitoring_pipeline.alerting.delivery.moments import lasting, moment
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import AlertState, Severity

__all__ = [
    "Row",
    "check_template",
    "colour",
    "heading",
    "is_link",
    "lasting",
    "lead",
    "links",
    "listed",
    "markdown",
    "moment",
    "one_line",
    "render",
    "rows",
    "short",
    "signature",
    "text",
    "title",
]

Row = tuple[str, str]
"""A label and what is said under it, on one line."""

_TITLE = 200
_VALUE = 600
_SHORT = 320
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_MARKED = re.compile(r"([\\`*\[\]<>|~]|(?<!\w)_|_(?!\w)|(?<!\w)#)")
_COLOURS = {
    Severity.INFO: "#2563eb",
    Severity.WARNING: "#b45309",
    Severity.ERROR: "#c2410c",
    Severity.CRITICAL: "#b91c1c",
}
_OVER = "#15803d"


def one_line(value: str, limit: int = _VALUE) -> str:
    """A text on one line without control characters, cut to `limit` characters with `...` at its end."""
    line = _BREAKS.sub(" ", value[: 4 * limit]).strip()
    return line if len(line) <= limit else line[: max(limit - 3, 0)].rstrip() + "..."


def is_link(url: str) -> bool:
    """Whether it is an address a browser may be sent to."""
    return _LINK.fullmatch(url) is not None


def title(message: Message) -> str:
    """How bad it is and what it is about, on one line of at most 200 characters."""
    label = {Kind.RESOLVED: "RESOLVED", Kind.TEST: "TEST"}.get(message.kind, message.severity.upper())
    prefix = {
        Kind.ACKNOWLEDGED: "Acknowledged: ",
        Kind.REMINDER: "Reminder: ",
        Kind.ESCALATION: f"Escalation level {message.level}: " if message.level else "Escalation: ",
        Kind.DIGEST: "Digest: ",
    }.get(message.kind, "")
    about = one_line(message.title) or _about(message)
    if about.lower().startswith(prefix.lower()):
        prefix = ""
    return one_line(f"[{label}] {prefix}{about}", _TITLE)


def _about(message: Message) -> str:
    if not message.alerts:
        return "a message about nothing in particular" if message.kind is not Kind.TEST else "test message"
    first = message.alerts[0]
    others = len(message.alerts) + message.more - 1
    return _about_one(first) + (f", and {others} more" if others else "")


def _about_one(alert: AlertFacts) -> str:
    """What an alert is about and what is wrong with it; summaries begin with the name mostly."""
    what = _what(alert)
    return what if alert.name and what.startswith((alert.name, alert.source)) else f"{heading(alert)}: {what}"


def _what(alert: AlertFacts) -> str:
    return one_line(alert.summary) or one_line(alert.text) or alert.rule


def heading(alert: AlertFacts, message: Message | None = None) -> str:
    """The name of what an alert is about, with its id where that is another word; in a message that is about
    what fires, an alert that is over is told from the others."""
    name = one_line(alert.name, _TITLE) or alert.source
    over = message is not None and message.kind is not Kind.RESOLVED and alert.state is AlertState.RESOLVED
    return (name if name == alert.source else f"{name} ({alert.source})") + (" - resolved" if over else "")


def lead(message: Message) -> str:
    """The sentence that says why this message came; empty when the title says it all."""
    sentences: dict[Kind, Callable[[Message], str]] = {
        Kind.FIRING: _lead_firing,
        Kind.RESOLVED: _lead_resolved,
        Kind.ACKNOWLEDGED: _lead_acknowledged,
        Kind.REMINDER: _lead_reminder,
        Kind.ESCALATION: _lead_escalation,
        Kind.DIGEST: _lead_digest,
        Kind.TEST: lambda _: "This is a test: the channel works, and nothing is wrong.",
    }
    return sentences[message.kind](message)


def _lead_firing(message: Message) -> str:
    if len(message.alerts) + message.more <= 1:
        return ""
    over = sum(alert.state is AlertState.RESOLVED for alert in message.alerts)
    firing = len(message.alerts) + message.more - over
    return f"{firing} {'alerts fire' if firing != 1 else 'alert fires'}" + (f", {over} resolved." if over else ".")


def _lead_resolved(message: Message) -> str:
    count = len(message.alerts) + message.more
    if count != 1:
        return f"All {count} alerts are resolved." if count else "It is over."
    alert = message.alerts[0] if message.alerts else None
    return "It is over." if alert is None else f"It is over; it lasted {_lasted(alert, message.at)}."


def _lead_acknowledged(message: Message) -> str:
    who = sorted({one_line(alert.acknowledged_by, 100) for alert in message.alerts if alert.acknowledged_by})
    return f"{', '.join(who) or 'Somebody'} {'work' if len(who) > 1 else 'works'} on it."


def _lead_reminder(message: Message) -> str:
    who = sorted({one_line(alert.acknowledged_by, 100) for alert in message.alerts if alert.acknowledged_by})
    known = f"acknowledged by {', '.join(who)}" if who else "nobody has acknowledged it"
    return f"Still firing{_after(message)}; {known}."


def _lead_escalation(message: Message) -> str:
    level = f"Escalation level {message.level}" if message.level else "Escalation"
    return f"{level}: nobody has acknowledged this{_after(message, 'for')}."


def _lead_digest(message: Message) -> str:
    count = len(message.alerts) + message.more
    return f"{count} {'alerts' if count != 1 else 'alert'} in one message."


def _after(message: Message, word: str = "after") -> str:
    began = min((alert.fired or alert.started for alert in message.alerts), default=None)
    return "" if began is None or began >= message.at else f" {word} {lasting(message.at - began)}"


def _lasted(alert: AlertFacts, at: datetime) -> str:
    return lasting((alert.resolved or at) - alert.started)


def rows(alert: AlertFacts, message: Message, zone: str = "UTC") -> list[Row]:
    """Everything worth knowing about an alert as labels and lines, in the order of its use; links are apart."""
    return [(label, line) for label, value in _rows(alert, message, zone) if (line := one_line(value))]


def _rows(alert: AlertFacts, message: Message, zone: str) -> Iterator[Row]:
    is_over = alert.state is AlertState.RESOLVED
    yield "What", "" if one_line(alert.text) in one_line(message.title) else alert.text
    yield "Severity", "" if alert.severity is message.severity and not is_over else alert.severity.value
    if is_over:
        end = alert.resolved or message.at
        yield "Lasted", f"{_lasted(alert, message.at)}, {moment(alert.started, zone)} to {moment(end, zone)}"
    else:
        yield "Since", f"{moment(alert.started, zone)}{_ago(alert.started, message.at)}"
    yield "Normal", "" if is_over else alert.expected
    yield "Check", alert.check
    yield "Acknowledged", f"by {alert.acknowledged_by}" if alert.acknowledged_by else ""
    yield "Occurred", _occurred(alert)
    yield "Affects", "" if is_over else _listed(alert.affects)
    yield "Last change", "" if is_over else alert.last_change
    yield "Component", alert.component
    yield "Owner", alert.owner
    yield "About", "" if is_over else alert.description


def _occurred(alert: AlertFacts) -> str:
    times = f"{alert.count} times" if alert.count > 1 else ""
    comes = "it comes and goes (flapping)" if alert.flapping else ""
    return ", ".join(part for part in (times, comes) if part)


def _listed(names: tuple[str, ...], shown: int = 25) -> str:
    left = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {left} more" if left > 0 else "")


def links(alert: AlertFacts) -> list[Row]:
    """The addresses that help: acknowledge (while that means something), the alert, its runbook."""
    is_open = alert.state in (AlertState.FIRING, AlertState.SUPPRESSED, AlertState.PENDING)
    offered = [
        ("Acknowledge", alert.acknowledge_url if is_open else ""),
        ("Alert", alert.url),
        ("Runbook", "" if alert.state is AlertState.RESOLVED else alert.runbook),
    ]
    return [(label, url.strip()) for label, url in offered if is_link(url.strip())]


def signature(message: Message) -> str:
    """The last line: what was left out, and which installation speaks."""
    name = one_line(message.installation, 100)
    more = f"{message.more} more {'alerts are' if message.more > 1 else 'alert is'} not listed." if message.more else ""
    return " ".join(part for part in (more, f"Sent by {name}." if name else "") if part)


def text(message: Message, zone: str = "UTC") -> str:
    """The message in plain text of several lines."""
    head = [title(message), *(line for line in (lead(message), one_line(message.note)) if line)]
    parts = ["\n".join(head), *_bodies(message, zone)]
    tail = [signature(message), message.url if is_link(message.url) and not _is_own_link(message) else ""]
    return "\n\n".join([*parts, "\n".join(line for line in tail if line)]).strip() + "\n"


def _is_own_link(message: Message) -> bool:
    return any(message.url == alert.url for alert in message.alerts)


def _bodies(message: Message, zone: str) -> Iterator[str]:
    if message.kind is Kind.DIGEST:
        yield "\n".join(f"- {listed(alert, message, zone)}{_link(alert)}" for alert in message.alerts)
        return
    for alert in message.alerts:
        lines = [f"{label}: {line}" for label, line in [*rows(alert, message, zone), *links(alert)]]
        yield "\n".join([heading(alert, message), *lines])


def _link(alert: AlertFacts) -> str:
    return f" {alert.url}" if is_link(alert.url) else ""


def listed(alert: AlertFacts, message: Message, zone: str = "UTC") -> str:
    """An alert on one line, for messages about many."""
    is_over = alert.state is AlertState.RESOLVED
    label = "resolved" if is_over else alert.severity.value
    when = f"lasted {_lasted(alert, message.at)}" if is_over else f"since {moment(alert.started, zone)}"
    return one_line(f"[{label}] {_about_one(alert)}, {when}", 300)


def short(message: Message, limit: int = _SHORT) -> str:
    """The message on one line of at most `limit` characters: what is wrong, since when, and the most useful link."""
    link = next((url for alert in message.alerts for _, url in links(alert)), message.url)
    link = f" {link}" if is_link(link) and len(link) < limit // 2 else ""
    return one_line(_short(message), limit - len(link)) + link


def _short(message: Message) -> str:
    parts = [title(message)]
    if message.kind in (Kind.RESOLVED, Kind.ACKNOWLEDGED, Kind.REMINDER, Kind.ESCALATION, Kind.TEST):
        parts.append(lead(message).removeprefix(f"Escalation level {message.level}: "))
    elif len(message.alerts) == 1:
        parts.append(f"Since {moment(message.alerts[0].started)}.")
    if message.note:
        parts.append(one_line(message.note))
    return " ".join(part if part.endswith((".", "!", "?")) or part is parts[-1] else f"{part}." for part in parts)


def markdown(message: Message, zone: str = "UTC") -> str:
    """The message in Markdown; what others wrote is escaped."""
    head = [
        f"**{_plain(title(message))}**",
        *(_plain(line) for line in (lead(message), one_line(message.note)) if line),
    ]
    tail = [_plain(signature(message))]
    if is_link(message.url) and not _is_own_link(message):
        tail.append(f"[Details]({_target(message.url)})")
    parts = [*head, *_marked_bodies(message, zone), " ".join(line for line in tail if line)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _marked_bodies(message: Message, zone: str) -> Iterator[str]:
    if message.kind is Kind.DIGEST:
        yield "\n".join(f"- {_plain(listed(alert, message, zone) + _link(alert))}" for alert in message.alerts)
        return
    for alert in message.alerts:
        lines = [f"- **{label}:** {_plain(line)}" for label, line in rows(alert, message, zone)]
        offered = " · ".join(f"[{label}]({_target(url)})" for label, url in links(alert))
        yield f"**{_plain(heading(alert, message))}**"
        yield "\n".join(lines)
        yield offered


def _plain(value: str) -> str:
    """A text in which Markdown finds nothing to mark up; addresses stay whole."""
    parts, end = [], 0
    for link in _LINK.finditer(value):
        parts += [_MARKED.sub(r"\\\1", value[end : link.start()]), link.group()]
        end = link.end()
    return "".join([*parts, _MARKED.sub(r"\\\1", value[end:])])


def _target(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29")


def colour(message: Message) -> str:
    """The colour of a message as `#rrggbb`: green when it is over, else its severity's."""
    return _OVER if message.kind in (Kind.RESOLVED, Kind.TEST) else _COLOURS[message.severity]


def _ago(since: datetime, at: datetime) -> str:
    return f", for {lasting(at - since)}" if at - since >= timedelta(seconds=1) else ""


_NAMES = ("alert", "alerts", "lead", "markdown", "message", "short", "text", "title", "zone")


def render(
    template: str, message: Message, *, name: str = "template", html: bool = False, zone: str = "UTC",
    values: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """A text of the user's own. It knows the message, its `alerts`, the first of them as `alert` (None without
    any), and the default words as `title`, `lead`, `text`, `short` and `markdown`; `values` are added.

    `name` is what an error calls it. Raises Undelivered (permanent).
    """
    return sandbox.render(template, {**_values(message, zone), **(values or {})}, name=name, html=html)


def check_template(template: str, *, html: bool = False, names: Collection[str] = ()) -> None:
    """Raises ValueError, which names the line, for a text that `render` could never render.

    `names` are those of the values that are added when it is rendered.
    """
    sandbox.check(template, {*_NAMES, *names}, html=html)


def _values(message: Message, zone: str) -> dict[str, Any]:
    facts = message.model_dump()
    words = {"title": title(message), "lead": lead(message), "short": short(message)}
    texts = {"text": text(message, zone), "markdown": markdown(message, zone)}
    first = facts["alerts"][0] if facts["alerts"] else None
    return {"message": facts, "alerts": facts["alerts"], "alert": first, "zone": zone, **words, **texts}

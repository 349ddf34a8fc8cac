"""The `slack` channel: an incoming webhook, or a bot that keeps one message per thread up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.delivery.posting import Answer, BaseUrl, SecretUrl, post, retry_after
from monitoring_pipeline.alerting.delivery.templating import own_text
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import AlertState, Severity

__all__ = ["SlackChannel"]

# Slack's limits are 150, 3000, 2000 and 3000 characters; it counts some signs twice.
_HEADER, _SECTION, _FIELD, _URL = 140, 2900, 1900, 3000
_FIELDS = 10
_DETAILED = 15
_OWN_SECTIONS = 10
_SHARE = 600
_SIGNS = {
    Severity.INFO: "\N{LARGE BLUE CIRCLE}",
    Severity.WARNING: "\N{LARGE YELLOW CIRCLE}",
    Severity.ERROR: "\N{LARGE ORANGE CIRCLE}",
    Severity.CRITICAL: "\N{LARGE RED CIRCLE}",
}
_OVER = "\N{WHITE HEAVY CHECK MARK}"
_TAKEN = "\N{EYES}"
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
_TRY_AGAIN = frozenset(
    {
        "fatal_error", "internal_error", "rate_limited", "ratelimited", "request_timeout", "service_unavailable",
        "team_added_to_org",
    }
)  # fmt: skip
_HINTS = {
    "channel_not_found": "check `channel`, and invite the app to it when it is private",
    "not_in_channel": "invite the app to the channel",
    "is_archived": "the channel is archived: choose another",
    "invalid_auth": "the token is not valid: take the bot token of the app",
    "not_authed": "the token is empty: take the bot token of the app",
    "account_inactive": "the token belongs to somebody who is gone: install the app anew",
    "token_revoked": "the token was revoked: install the app anew",
    "missing_scope": "give the app the scope chat:write and install it anew",
}

Block = dict[str, Any]


class SlackChannel(Channel):
    """Tells a Slack channel or a person.

    With `webhook_url` (an incoming webhook) every message is posted anew. With `token` (a bot token with the
    scope chat:write) and `channel` the first message of a thread is posted; what comes later changes it in
    place, so that it always shows how things stand, and is posted as a reply to it as well, unless it only
    says that somebody acknowledged. Replies of an escalation are shown in the channel too. A message that is
    gone is posted anew. Only a token reaches single people: their member id is the channel then.

    Slack has no idempotency key: a process that is killed between Slack's answer and its record posts again.

    Templates: `title`, the headline (plain text, 140 characters), and `text`, which replaces what is said of
    the alerts. `text` is Slack's mrkdwn; what it takes from the message is escaped already.
    """

    recipient_field: ClassVar[str] = "slack"
    template_names: ClassVar[tuple[str, ...]] = ("title", "text")
    examples: ClassVar[tuple[str, ...]] = (
        """\
chat:
  kind: slack
  token: ${SLACK_BOT_TOKEN}
  channel: C0123456789
""",
        """\
chat-webhook:
  kind: slack
  webhook_url: ${SLACK_WEBHOOK_URL}
""",
    )

    kind: Literal["slack"] = "slack"
    webhook_url: SecretUrl | None = Field(None, description="Address of an incoming webhook; or give a token.")
    token: SecretStr | None = Field(None, description="Bot token (xoxb-...); or give a webhook_url.")
    channel: str = Field("", description="Id of the channel (such as C0123456789), with a token.")
    base_url: BaseUrl = Field("https://slack.com/api", description="Where Slack's API is.")

    @field_validator("token")
    @classmethod
    def _has_a_token(cls, token: SecretStr | None) -> SecretStr | None:
        text = token.get_secret_value() if token else "-"
        if not text.strip() or not text.isascii() or not text.isprintable():
            raise ValueError("the token is empty or holds characters that no token has")
        return token

    @model_validator(mode="after")
    def _one_way(self) -> SlackChannel:
        if (self.webhook_url is None) == (self.token is None):
            raise ValueError("give exactly one of webhook_url and token")
        if self.webhook_url is not None and self.channel:
            raise ValueError("an incoming webhook has its own channel: leave out channel, or use a token")
        return self

    async def send(self, message: Message, context: SendContext) -> Sent:
        """Posts the message, or brings the thread's up to date; see `Channel.send`."""
        if self.webhook_url is None:
            return await self._by_bot(message, context)
        if context.recipient:
            raise Undelivered("Slack: an incoming webhook reaches no single person: use a token", permanent=True)
        content = self._content(message)
        answer = await post(context, self.webhook_url.get_secret_value(), json=content, what="Slack")
        return Sent(code=answer.code)

    async def _by_bot(self, message: Message, context: SendContext) -> Sent:
        place = _place(context.reference)
        if place is None or message.kind in (Kind.TEST, Kind.DIGEST):
            return await self._first(message, context)
        try:
            answer = await self._call("chat.update", {**place, **self._content(message)}, context)
        except _Gone:
            return await self._first(message, context)
        if message.kind is not Kind.ACKNOWLEDGED:
            answer = await self._call("chat.postMessage", {**_reply(message), **_under(place)}, context)
        return Sent(code=answer.code, detail="updated", reference=place)

    async def _first(self, message: Message, context: SendContext) -> Sent:
        channel = context.recipient or self.channel
        if not channel:
            raise Undelivered("Slack: there is no channel to post to: give `channel`", permanent=True)
        answer = await self._call("chat.postMessage", {"channel": channel, **self._content(message)}, context)
        place = _place(answer.json())
        once = place is None or message.kind in (Kind.TEST, Kind.DIGEST)
        return Sent(code=answer.code, detail="posted", reference={} if once else place or {})

    async def _call(self, method: str, body: Mapping[str, Any], context: SendContext) -> Answer:
        token = self.token.get_secret_value() if self.token else ""
        answer = await post(
            context,
            f"{self.base_url}/{method}",
            json=body,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"},
            what="Slack",
            url_is_secret=False,
        )
        _judge(answer, context)
        return answer

    def _content(self, message: Message) -> dict[str, Any]:
        own_title = own_text(self.templates, "title", message)
        title = wording.one_line(own_title or "") or f"{_sign(message)} {wording.title(message)}"
        own = own_text(self.templates, "text", _escaped_message(message)) if "text" in self.templates else None
        blocks = _blocks(message) if own is None else _own_blocks(own)
        return {
            "text": _mrkdwn(title, _SECTION),
            "blocks": [{"type": "header", "text": _plain(title, _HEADER)}],
            "attachments": [{"color": wording.colour(message), "blocks": [*blocks, _last(message)]}],
            "unfurl_links": False,
            "unfurl_media": False,
        }


class _Gone(Undelivered):
    """The message that was to be changed cannot be changed any more."""


def _judge(answer: Answer, context: SendContext) -> None:
    """Slack says in the body of a 200 whether it took something."""
    told = answer.json()
    if not isinstance(told, dict):
        raise Undelivered("Slack answered without saying whether it took the message", code=answer.code)
    if told.get("ok") is True:
        return
    error = wording.one_line(str(told.get("error") or "without a reason"), 100)
    if error in _GONE:
        raise _Gone(f"Slack refused: {error}", permanent=True, code=answer.code)
    hint = f": {_HINTS[error]}" if error in _HINTS else ""
    wait = retry_after(answer, context.now)
    permanent = error not in _TRY_AGAIN
    raise Undelivered(f"Slack refused: {error}{hint}", permanent=permanent, retry_after=wait, code=answer.code)


def _place(reference: Any) -> dict[str, str] | None:
    """Where a message is, out of Slack's answer to posting it or of what we remembered of that."""
    if not isinstance(reference, Mapping) or not reference.get("channel") or not reference.get("ts"):
        return None
    return {"channel": str(reference["channel"]), "ts": str(reference["ts"])}


def _under(place: Mapping[str, str]) -> dict[str, str]:
    return {"channel": place["channel"], "thread_ts": place["ts"]}


def _reply(message: Message) -> dict[str, Any]:
    lines = [f"*{_mrkdwn(wording.title(message), _SHARE)}*"]
    lines += [_mrkdwn(line, _SHARE) for line in (wording.lead(message), message.note) if line]
    reply: dict[str, Any] = {"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False}
    return {**reply, "reply_broadcast": True} if message.kind is Kind.ESCALATION else reply


def _sign(message: Message) -> str:
    if message.kind in (Kind.RESOLVED, Kind.TEST):
        return _OVER
    return _TAKEN if message.kind is Kind.ACKNOWLEDGED else _SIGNS[message.severity]


def _blocks(message: Message) -> list[Block]:
    said = [_section(_mrkdwn(line, _SECTION)) for line in (wording.lead(message), message.note) if line.strip()]
    if len(message.alerts) == 1 and message.kind is not Kind.DIGEST:
        return [*said, *_whole(message.alerts[0], message)]
    listed = [_short(alert, message) for alert in message.alerts[:_DETAILED]]
    rest = "\n".join(_line(alert) for alert in message.alerts[_DETAILED:])
    return [*said, *listed, *([_section(_cut_lines(rest, _SECTION))] if rest else [])]


def _whole(alert: AlertFacts, message: Message) -> Iterator[Block]:
    """Everything about one alert: what it is, its facts in two columns, buttons."""
    what = _mrkdwn(alert.text or alert.summary, _SHARE)
    yield _section(f"*{_mrkdwn(wording.heading(alert), _SHARE)}*\n{what}")
    facts = [(label, line) for label, line in wording.rows(alert, message) if label != "What"]
    fields = [_text(f"*{label}*\n{_mrkdwn(line, _FIELD - 50)}") for label, line in facts]
    for begin in range(0, len(fields), _FIELDS):
        yield {"type": "section", "fields": fields[begin : begin + _FIELDS]}
    buttons = [_button(label, url) for label, url in wording.links(alert) if len(url) <= _URL]
    if buttons:
        yield {"type": "actions", "elements": buttons}


def _short(alert: AlertFacts, message: Message) -> Block:
    """One of several alerts, with the most useful of its links as a button."""
    told = {label: line for label, line in wording.rows(alert, message) if label in ("Since", "Lasted", "Normal")}
    facts = " \N{MIDDLE DOT} ".join(f"{label}: {_mrkdwn(line, 200)}" for label, line in told.items())
    section = _section(f"{_line(alert)}\n{facts}")
    button = next((_button(label, url) for label, url in wording.links(alert) if len(url) <= _URL), None)
    return {**section, "accessory": button} if button else section


def _line(alert: AlertFacts) -> str:
    sign = _OVER if alert.state is AlertState.RESOLVED else _SIGNS[alert.severity]
    return f"{sign} *{_mrkdwn(wording.heading(alert), 200)}* {_mrkdwn(alert.text or alert.summary, 300)}"


def _own_blocks(text: str) -> list[Block]:
    """A text of the user's as sections, each as long as one may be."""
    text = text.strip()[: _OWN_SECTIONS * _SECTION]
    return [_section(text[begin : begin + _SECTION]) for begin in range(0, len(text), _SECTION)]


def _last(message: Message) -> Block:
    seconds = int(message.at.timestamp())
    when = f"<!date^{seconds}^{{date_short_pretty}} {{time}}|{wording.moment(message.at)}>"
    link = f"<{_escape(message.url)}|Details>" if wording.is_link(message.url) and len(message.url) < _URL // 2 else ""
    parts = [part for part in (when, _mrkdwn(wording.signature(message), _SHARE), link) if part]
    return {"type": "context", "elements": [_text(" \N{MIDDLE DOT} ".join(parts))]}


def _section(text: str) -> Block:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": wording.one_line(text, limit), "emoji": True}


def _button(label: str, url: str) -> Block:
    button: Block = {"type": "button", "text": _plain(label, 75), "url": url}
    return {**button, "style": "primary"} if label == "Acknowledge" else button


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mrkdwn(text: str, limit: int) -> str:
    """A text of others on one line as Slack shows it literally; escaped it has at most `limit` characters."""
    line = wording.one_line(text, limit)
    while len(escaped := _escape(line)) > limit:
        line = wording.one_line(line, min(len(line) - 1, len(line) * limit // len(escaped)))
    return escaped


def _cut_lines(lines: str, limit: int) -> str:
    """Whole lines, as many as fit, so that no sign of the markup is cut."""
    if len(lines) <= limit:
        return lines
    kept = lines[: limit - 4].rpartition("\n")[0]
    return f"{kept}\n..."


def _escaped_message(message: Message) -> Message:
    """The message with all that others wrote in it escaped, for a template that writes mrkdwn."""

    def escaped(value: Any) -> Any:
        if isinstance(value, str):
            return _escape(value)
        if isinstance(value, dict):
            return {name: escaped(entry) for name, entry in value.items()}
        return [escaped(entry) for entry in value] if isinstance(value, list) else value

    return Message.model_validate(escaped(message.model_dump(mode="json")))

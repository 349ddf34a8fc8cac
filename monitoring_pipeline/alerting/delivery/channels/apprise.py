"""The `apprise` channel: everything that has no kind of its own, through the Apprise library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import Severity

__all__ = ["AppriseChannel"]

_TITLE, _SHOWN, _SECRET_FROM = 250, 200, 4
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_PARTS = re.compile(r"[/:@?&=,]+")
_complaints: ContextVar[list[str] | None] = ContextVar("_complaints", default=None)
_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "failure", Severity.CRITICAL: "failure"}


class AppriseChannel(Channel):
    """Sends through one of the hundred services that Apprise knows: Telegram, Matrix, ntfy, Pushover, Mattermost ...

    `url` is an Apprise address such as ntfy://ntfy.example.com/alerts; their list is in the documentation of
    Apprise. One channel has one address, so that trying again repeats nothing elsewhere. Apprise makes its own
    connections, which `execution.networks` does not restrict, and does not tell why a service refused: what
    fails is tried again. Prefer a kind of its own where there is one.

    It needs the extra `apprise`: pip install 'monitoring-pipeline[apprise]'.

    Templates: `title` and `body`, which is Markdown.
    """

    extra: ClassVar[str | None] = "apprise"
    template_names: ClassVar[tuple[str, ...]] = ("title", "body")
    examples: ClassVar[tuple[str, ...]] = (
        """\
phone:
  kind: apprise
  url: ${NTFY_URL}
""",
    )

    kind: Literal["apprise"] = "apprise"
    url: SecretStr = Field(description="Apprise address of one target, such as ntfy://ntfy.example.com/alerts.")

    @field_validator("url")
    @classmethod
    def _is_one(cls, url: SecretStr) -> SecretStr:
        if not _URL.fullmatch(url.get_secret_value()):
            raise ValueError("an Apprise address is needed, such as ntfy://ntfy.example.com/alerts")
        return url

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One notification; see `Channel.send`."""
        title = wording.one_line(self._own("title", message) or wording.title(message), _TITLE)
        body = self._own("body", message) or _body(message)
        kind = "success" if message.kind is Kind.RESOLVED else _TYPES[message.severity]
        await asyncio.to_thread(_notify, self.url.get_secret_value(), title, body, kind)
        return Sent(detail="taken by Apprise")

    def _own(self, name: str, message: Message) -> str:
        return wording.render(self.templates[name], message, name=name) if name in self.templates else ""


def _body(message: Message) -> str:
    """The default words without their first line, which is the title."""
    return wording.markdown(message).split("\n\n", 1)[-1].strip()


def _notify(url: str, title: str, body: str, kind: str) -> None:
    try:
        import apprise
    except ImportError:
        needed = "the channel needs Apprise: pip install 'monitoring-pipeline[apprise]'"
        raise Undelivered(needed, permanent=True) from None
    target = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if target is None:
        raise Undelivered("Apprise does not understand the address: look up how it is written", permanent=True)
    box = apprise.Apprise()
    box.add(target)
    with _listening() as said:
        is_sent = box.notify(body, title, apprise.NotifyType(kind), apprise.NotifyFormat.MARKDOWN)
    if not is_sent:
        reason = _hidden(said[-1] if said else "it does not say why", url)
        raise Undelivered(f"Apprise could not send: {wording.one_line(reason, _SHOWN)}")


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise complains about in this context, which its threads share: its answer is only yes or no."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if _complaints.get() is said and record.levelno >= logging.WARNING:
                said.append(record.getMessage())

    logger, listener = logging.getLogger("apprise"), Listener()
    token = _complaints.set(said)
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)
        _complaints.reset(token)


def _hidden(text: str, url: str) -> str:
    for part in sorted({url, *_PARTS.split(url)}, key=len, reverse=True):
        if len(part) >= _SECRET_FROM:
            text = text.replace(part, "***")
    return text

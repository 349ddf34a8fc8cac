"""A message as an e-mail: plain text, HTML, and a picture of the series; its place in a thread of e-mails.

How it is handed to a server is `channels/email.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message

__all__ = ["Letter", "address_of", "message_id"]

_POLICY = SMTP.clone(cte_type="7bit")
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_PREVIEW = 140


def address_of(text: str) -> Address:
    """An address such as `alerts@example.com` or `Alerts <alerts@example.com>`. Raises ValueError."""
    name, spec = parseaddr(text)
    local, _, domain = spec.rpartition("@")
    if not text.isprintable() or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(_idna(domain)):
        raise ValueError(f"{text!r} is not an e-mail address such as alerts@example.com or Alerts <alerts@example.com>")
    return Address(display_name=name, username=local, domain=_idna(domain))


def _idna(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""


def message_id(text: str, domain: str) -> str:
    """The Message-ID that an idempotency key or the name of a thread has, always the same."""
    if _UNSAFE.search(text) or not 0 < len(text) <= 64:
        text = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]
    return f"<{text}@{domain}>"


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail about a message. `templates` replace `subject`, `text` and `html`; `reference` is the thread's."""

    message: Message
    sender: Address
    recipients: Sequence[Address]
    reply_to: Address | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    reference: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """Its Message-ID."""
        return message_id(self.message.key, self.sender.domain)

    def build(self, picture: bytes | None = None, picture_title: str = "") -> EmailMessage:
        """The e-mail, with the PNG inline. Raises Undelivered when a template cannot be rendered."""
        mail = EmailMessage(policy=_POLICY)
        self._address(mail)
        self._thread(mail)
        text = self._own("text", lambda: wording.text(self.message, self.zone))
        mail.set_content(_sound(text), cte="quoted-printable")
        cid = _UNSAFE.sub("", f"series.{self.id}") if picture else ""
        html = self._own("html", lambda: _html(self.message, self.zone, cid, picture_title))
        mail.add_alternative(_sound(html), subtype="html", cte="quoted-printable")
        if picture and f"cid:{cid}" in html:
            part = mail.get_payload()[1]  # type: ignore[index]
            part.add_related(picture, "image", "png", cid=f"<{cid}>", filename="series.png", disposition="inline")  # type: ignore[union-attr]
        return mail

    def _own(self, name: str, default: Callable[[], str]) -> str:
        if name not in self.templates:
            return default()
        return wording.render(self.templates[name], self.message, name=name, html=name == "html", zone=self.zone)

    def _address(self, mail: EmailMessage) -> None:
        subject = self._own("subject", lambda: wording.title(self.message))
        mail["Subject"] = _sound(wording.one_line(subject, 250))
        mail["From"] = self.sender
        mail["To"] = tuple(self.recipients)
        if self.reply_to is not None:
            mail["Reply-To"] = self.reply_to
        mail["Date"] = format_datetime(self.message.at)
        mail["Message-ID"] = self.id
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail["X-Idempotency-Key"] = _sound(wording.one_line(self.message.key, 200))

    def _thread(self, mail: EmailMessage) -> None:
        """Behind the thread's first e-mail, or else behind one that was never sent: that gathers them as well."""
        root = message_id(f"thread-{self.message.thread}", self.sender.domain)
        first = str((self.reference or {}).get("message_id") or "")
        known = [each for each in (root, first) if each and each != self.id and "\n" not in each and "\r" not in each]
        mail["In-Reply-To"] = known[-1]
        mail["References"] = " ".join(known)
        if self.message.severity.rank >= 2 and self.message.kind in (Kind.FIRING, Kind.ESCALATION):
            mail["Importance"] = "high"


def _sound(text: str) -> str:
    return text.encode(errors="replace").decode()


def _html(message: Message, zone: str, picture: str, picture_title: str) -> str:
    is_digest = message.kind is Kind.DIGEST
    lead = wording.lead(message)
    html: str = _template().render(
        title=wording.title(message),
        colour=wording.colour(message),
        preview=wording.one_line(" ".join(part for part in (lead, *_first_words(message)) if part), _PREVIEW),
        lead=lead,
        note=wording.one_line(message.note),
        picture=picture,
        picture_title=picture_title,
        lines=[_line(alert, message, zone) for alert in message.alerts] if is_digest else [],
        parts=[] if is_digest else [_part(alert, message, zone) for alert in message.alerts],
        signature=wording.signature(message),
        url=message.url if wording.is_link(message.url) and message.url not in _links(message) else "",
    )
    return html


def _first_words(message: Message) -> list[str]:
    return [alert.text for alert in message.alerts[:1]]


def _links(message: Message) -> set[str]:
    return {alert.url for alert in message.alerts}


def _line(alert: AlertFacts, message: Message, zone: str) -> tuple[str, str]:
    return wording.listed(alert, message, zone), alert.url if wording.is_link(alert.url) else ""


def _part(alert: AlertFacts, message: Message, zone: str) -> dict[str, Any]:
    rows, links = wording.rows(alert, message, zone), wording.links(alert)
    return {"heading": wording.heading(alert, message), "rows": rows, "links": links}


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("monitoring_pipeline.alerting.delivery"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("email.html.jinja")

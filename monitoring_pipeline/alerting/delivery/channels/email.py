"""The `email` channel: an e-mail with text, HTML and a picture of the series, by SMTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.delivery.letter import Letter, address_of
from monitoring_pipeline.alerting.message import AlertFacts, Message
from monitoring_pipeline.deadlines import Zone
from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.reach.connection import tls_context

if TYPE_CHECKING:
    import aiosmtplib

__all__ = ["EmailAddress", "EmailChannel"]

_PORTS = {"tls": 465, "starttls": 587, "none": 25}
_PICTURE_SHARE = 0.4
_SHOWN = 200

Security = Literal["starttls", "tls", "none"]


def _checked(text: str) -> str:
    address_of(text)
    return text


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


EmailAddress = Annotated[str, AfterValidator(_checked)]
"""An address such as alerts@example.com or Alerts <alerts@example.com>."""


class EmailChannel(Channel):
    """Sends e-mails by SMTP: plain text, HTML that phones and dark screens show well, and a picture of the series.

    It reaches the addresses in `to`, and persons by their `email`. All e-mails about one group of alerts are
    one thread in mail programs. The Message-ID is made of the idempotency key, so a mailbox that sees an
    e-mail twice can tell. When a server refuses some of the addresses in `to`, the others get it and the log
    says who did not.

    Templates: `subject`, `text` and `html` (values in it are escaped).
    """

    recipient_field: ClassVar[str] = "email"
    template_names: ClassVar[tuple[str, ...]] = ("subject", "text", "html")
    examples: ClassVar[tuple[str, ...]] = (
        """\
mail:
  kind: email
  host: smtp.example.com
  username: alerts@example.com
  password: ${SMTP_PASSWORD}
  sender: Monitoring <alerts@example.com>
  to: [data-team@example.com]
  self_test: 1d
""",
        """\
mail-relay:
  kind: email
  host: localhost
  port: 25
  sender: alerts@example.com
  templates:
    subject: "{{ message.severity | upper }} {{ message.title }}"
""",
    )

    kind: Literal["email"] = "email"
    host: str = Field(description="Name or address of the SMTP server.", min_length=1)
    port: int | None = Field(None, ge=1, le=65535, description="Its port; what `security` usually has by default.")
    security: Security | None = Field(
        None,
        description="tls from the first byte (port 465), starttls (port 587), or none. "
        "By the port by default; with neither: none on this machine, else starttls.",
    )
    username: str = Field("", description="User name, where the server wants one.")
    password: SecretStr | None = Field(None, description="Password of the user.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")
    sender: EmailAddress = Field(description="Address it comes from, such as Alerts <alerts@example.com>.")
    to: Annotated[tuple[EmailAddress, ...], BeforeValidator(_listed)] = Field(
        (), description="Addresses that get everything the channel is told; none if it only reaches persons."
    )
    reply_to: EmailAddress | None = Field(None, description="Address that answers go to.")
    timezone: Zone = Field("UTC", description="A time zone shown beside UTC.")
    plot: bool = Field(True, description="Whether a picture of the series is sent along.")

    @model_validator(mode="after")
    def _fits_together(self) -> EmailChannel:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password belong together: give both or neither")
        if self.username and self.transport == "none" and not _is_local(self.host):
            raise ValueError("the password would be sent in the clear: set security to starttls or tls")
        return self

    @property
    def transport(self) -> Security:
        """How the connection is secured: as configured, else by the port, else by where the server is."""
        if self.security is not None:
            return self.security
        if self.port is None:
            return "none" if _is_local(self.host) else "starttls"
        by_port: dict[int, Security] = {465: "tls", 587: "starttls"}
        return by_port.get(self.port, "none" if self.port == 25 or _is_local(self.host) else "starttls")

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port or _PORTS[self.transport]}"

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One e-mail to all addresses; see `Channel.send`."""
        recipients = _recipients(context.recipient or self.to)
        letter = Letter(
            message, address_of(self.sender), recipients, address_of(self.reply_to) if self.reply_to else None,
            self.templates, self.timezone, context.reference,
        )  # fmt: skip
        subject, picture = await self._picture(message, context)
        mail = await asyncio.to_thread(letter.build, picture, subject)
        detail = await self.deliver(mail, recipients)
        first = (context.reference or {}).get("message_id") or letter.id
        return Sent(code=250, detail=detail, reference={"message_id": first})

    async def deliver(self, mail: EmailMessage, recipients: Sequence[Address]) -> str:
        """Gives any e-mail to the server; its answer, and who was refused. Raises Undelivered."""
        try:
            refused, answer = await self._hand_over(mail, [address.addr_spec for address in recipients])
        except Exception as error:
            raise self._undelivered(error) from error
        return " ".join([*_refusals(refused), wording.one_line(answer, _SHOWN)])

    async def _picture(self, message: Message, context: SendContext) -> tuple[str, bytes | None]:
        """The picture of the first alert that has a series. Neither an error nor its time may cost the message."""
        alert = next((each for each in message.alerts if each.metric), None)
        if not self.plot or alert is None or context.series is None:
            return "", None
        name = f"{wording.heading(alert)}: {alert.metric}"
        seconds = self.timeout.total_seconds() * _PICTURE_SHARE
        try:
            return name, await asyncio.wait_for(asyncio.to_thread(_drawn, name, alert, context), seconds)
        except Exception:
            return "", None

    async def _hand_over(self, mail: EmailMessage, recipients: list[str]) -> tuple[Mapping[str, Any], str]:
        """Gives the addresses that were refused and the server's answer. Raises what SMTP, TLS and sockets raise."""
        client = self._client()
        try:
            await client.connect()
            if self.password is not None:
                await client.login(self.username, self.password.get_secret_value())
            refused, answer = await client.send_message(
                mail, sender=address_of(self.sender).addr_spec, recipients=recipients
            )
            await _leave(client)
        finally:
            client.close()
        return refused, answer

    def _client(self) -> aiosmtplib.SMTP:
        import aiosmtplib

        is_secured = self.transport != "none"
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port or _PORTS[self.transport],
            timeout=self.timeout.total_seconds(),
            use_tls=self.transport == "tls",
            start_tls=self.transport == "starttls",
            tls_context=tls_context(True, self.ca_file) if is_secured else None,
        )

    def _undelivered(self, error: Exception) -> Undelivered:
        """What an error means: an answer of 5xx is for good, everything that another time may go well is not."""
        import aiosmtplib

        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = cause.verify_message or "it is not trusted"
                return Undelivered(
                    f"the certificate of the mail server {self.place} is not trusted: {reason}", permanent=True
                )
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            return _nobody(error)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._answered(error)
        if isinstance(error, CheckError):
            return Undelivered(str(error), permanent=True)
        if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
            return Undelivered(f"the mail server {self.place} did not answer in time")
        if isinstance(error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPServerDisconnected | OSError):
            return Undelivered(f"the mail server {self.place} cannot be reached: {_reason(error)}")
        if isinstance(error, aiosmtplib.SMTPException) and self.transport == "starttls" and "STARTTLS" in str(error):
            told = f"the mail server {self.place} does not offer STARTTLS"
            return Undelivered(f"{told}: set security to tls, or to none where that is safe", permanent=True)
        return Undelivered(f"the mail server {self.place} cannot be used: {_reason(error)}", permanent=True)

    def _answered(self, error: aiosmtplib.SMTPResponseException) -> Undelivered:
        import aiosmtplib

        told = f"the mail server {self.place} answered {error.code}: {wording.one_line(error.message, _SHOWN)}"
        if isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500:
            told = f"the mail server {self.place} did not accept username and password ({error.code})"
        elif isinstance(error, aiosmtplib.SMTPSenderRefused):
            told = f"{told} (to the sender {self.sender})"
        return Undelivered(told, permanent=error.code >= 500, code=error.code)


def _drawn(name: str, alert: AlertFacts, context: SendContext) -> bytes | None:
    from monitoring_pipeline.alerting.delivery.plot import series_png

    values = context.series(alert.source, alert.metric, alert.check) if context.series else ()
    return series_png(name, values, unit=alert.unit, threshold=alert.threshold, since=alert.started)


def _recipients(given: str | tuple[str, ...]) -> list[Address]:
    try:
        found = [address_of(text) for text in ((given,) if isinstance(given, str) else given)]
    except ValueError as error:
        raise Undelivered(str(error), permanent=True) from None
    if not found:
        raise Undelivered(
            "there is nobody to send to: give the channel `to`, or a person with an `email`", permanent=True
        )
    return list({address.addr_spec: address for address in found}.values())


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Says goodbye. The message is delivered already: nothing that happens here may undo that."""
    try:
        await client.quit(timeout=1)
    except Exception:
        client.close()


def _nobody(error: aiosmtplib.SMTPRecipientsRefused) -> Undelivered:
    each = [f"{one.recipient} ({one.code} {wording.one_line(one.message, _SHOWN)})" for one in error.recipients]
    codes = [one.code for one in error.recipients]
    told = f"the mail server refused {', '.join(each)}"
    return Undelivered(told, permanent=all(code >= 500 for code in codes), code=max(codes, default=None))


def _refusals(refused: Mapping[str, Any]) -> Iterator[str]:
    for address, answer in refused.items():
        yield f"{address} was refused ({answer.code} {wording.one_line(answer.message, _SHOWN)});"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    return wording.one_line(str(error), _SHOWN) or type(error).__name__


def _is_local(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""A real SMTP server on loopback that keeps what it is sent and answers what a test tells it.

async with Postbox() as postbox:
    await EmailChannel(host="127.0.0.1", port=postbox.port, ...).send(message(), context)
    assert postbox.mails[0].mail["Subject"] == "..."
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

__all__ = ["Postbox", "Received"]


@dataclass(frozen=True)
class Received:
    """One e-mail as it arrived; `is_secured` when it came through TLS."""

    sender: str
    recipients: list[str]
    raw: bytes
    user: str
    is_secured: bool

    @property
    def mail(self) -> EmailMessage:
        found = message_from_bytes(self.raw, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: str) -> Any:
        """The content of the first part of this type."""
        return next(part.get_content() for part in self.mail.walk() if part.get_content_type() == kind)


@dataclass
class Postbox:
    """The server. `says` has the answer to a command (mail, data), or to rcpt by the address."""

    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    auth_answer: str = ""
    says: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drops: bool = False
    drops_at_quit: bool = False
    mails: list[Received] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Self:
        server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0, ssl=self.tls)
        self._server, self.port = server, server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that passwords may come without TLS is what some tests are about
            return SMTP(
                self, enable_SMTPUTF8=True, tls_context=self.starttls, require_starttls=self.starttls is not None,
                auth_required=self.login is not None, auth_require_tls=False, authenticator=self._authenticate,
                hostname="mail.example.com",
            )  # fmt: skip

    def _authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        if self.auth_answer:
            return AuthResult(success=False, handled=False, message=self.auth_answer)
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self.login, handled=False, auth_data=data.login)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.sleep(3600)
        if self.drops:
            server.transport.abort()
        if "mail" not in self.says:
            envelope.mail_from = address
        return self.says.get("mail", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address not in self.says:
            envelope.rcpt_tos.append(address)
        return self.says.get(address, "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if "data" in self.says:
            return self.says["data"]
        user = session.auth_data.decode() if session.auth_data else ""
        secured = session.ssl is not None or self.tls is not None
        self.mails.append(Received(envelope.mail_from, envelope.rcpt_tos, bytes(envelope.content), user, secured))
        return "250 OK: queued as 4711"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.drops_at_quit:
            server.transport.abort()
        return "221 Bye"

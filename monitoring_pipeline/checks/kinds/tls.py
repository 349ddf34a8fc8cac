"""The `tls` check: is the certificate trusted, is it for this host, and how long will it last?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.certificates import read_certificate
from monitoring_pipeline.reach.connection import Phases, connect, failure_of, place, start_tls, tls_context

__all__ = ["TlsCheck"]

_PORTS = {"none": 443, "smtp": 25, "imap": 143, "postgres": 5432}
_POSTGRES_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_MAX_LINES = 100
_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


class _Session(NamedTuple):
    """What a finished handshake tells."""

    certificate: bytes
    protocol: str
    cipher: str
    elapsed_ms: float
    phases: Phases


class TlsCheck(Check):
    """Makes a TLS handshake and judges the certificate, also one that no client would accept.

    Values: `days_left` of the leaf (negative once expired), `chain_valid` (signed by an authority of
    this machine or of `ca_file`; that the leaf has expired does not count), `chain_error` (why not), `hostname_valid`,
    `issuer`, `subject`, `protocol`, `cipher`, `self_signed`, `not_after` (ISO 8601),
    `response_time_ms` (of one handshake) and its phases `dns_ms`, `connect_ms`, `tls_ms`.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "days_left": "days",
        "response_time_ms": "ms",
        "dns_ms": "ms",
        "connect_ms": "ms",
        "tls_ms": "ms",
    }
    default_conditions: ClassVar[tuple[str, ...]] = (
        "days_left > 3",
        "hostname_valid == true",
        "chain_valid == true",
    )
    default_warnings: ClassVar[tuple[str, ...]] = ("days_left > 21",)

    kind: Literal["tls"] = "tls"
    host: str = Field(min_length=1)
    port: int | None = Field(None, ge=1, le=65535, description="443, or the usual port of `starttls`.")
    server_name: str | None = Field(None, min_length=1, description="The name to ask for and judge instead of `host`.")
    starttls: Literal["none", "smtp", "imap", "postgres"] = "none"
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        from cryptography import x509  # noqa: F401 - brought in

        tls_context(True, None)

    async def probe(self, context: ProbeContext) -> Probe:
        """One handshake when the chain is trusted, up to three when it is not."""
        try:
            session, chain_error = await self._judged(context)
            certificate = read_certificate(session.certificate)
        except ValueError as error:
            raise SourceFailure(f"the certificate of {self._where} cannot be parsed: {error}", reached=True) from error
        verdict = certificate.verdict(context.now)
        values: dict[str, Any] = {
            "response_time_ms": session.elapsed_ms,
            **session.phases.values(),
            "days_left": certificate.days_left(context.now),
            "chain_valid": chain_error is None,
            "hostname_valid": certificate.is_for(self._name),
            "issuer": certificate.issuer,
            "subject": certificate.subject,
            "self_signed": certificate.self_signed,
            "not_after": certificate.not_after.isoformat(),
            "protocol": session.protocol,
            "cipher": session.cipher,
        }
        if chain_error is not None:
            values["chain_error"] = chain_error
        return Probe(values, details=self._details(values), warnings=self._warnings(values, verdict, certificate.names))

    @property
    def _port(self) -> int:
        return self.port if self.port is not None else _PORTS[self.starttls]

    @property
    def _where(self) -> str:
        return place(self.host, self._port)

    @property
    def _name(self) -> str:
        return (self.server_name or self.host).rstrip(".")

    async def _judged(self, context: ProbeContext) -> tuple[_Session, str | None]:
        """A session, and why the chain is not trusted (None when it is).

        OpenSSL stops at the first fault. An expired leaf must not hide whether its chain is right, so
        then the dates are left out; a broken chain is read without any verification.
        """
        try:
            return await self._handshake(context, self._tls(check_time=True)), None
        except SourceFailure as failure:
            fault = _fault_of(failure)
        if fault.verify_code == _EXPIRED:
            try:
                session = await self._handshake(context, self._tls(check_time=False))
            except SourceFailure as failure:
                fault = _fault_of(failure)
            else:
                leaf_expired = read_certificate(session.certificate).days_left(context.now) < 0
                return session, None if leaf_expired else fault.verify_message
        return await self._handshake(context, tls_context(False)), fault.verify_message

    def _tls(self, *, check_time: bool) -> ssl.SSLContext:
        return tls_context(True, self.ca_file, check_hostname=False, check_time=check_time)

    async def _handshake(self, context: ProbeContext, tls: ssl.SSLContext) -> _Session:
        begun, phases = perf_counter(), Phases()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = await connect(context, self.host, self._port, protocol, phases)
        try:
            await self._upgrade(reader, transport)
            transport = await start_tls(transport, protocol, tls, self._name, self._where, phases)
            return _session(transport, (perf_counter() - begun) * 1000, phases)
        finally:
            transport.abort()

    async def _upgrade(self, reader: asyncio.StreamReader, transport: asyncio.Transport) -> None:
        """Asks for TLS in the words of the protocol."""
        try:
            if self.starttls == "smtp":
                await self._expect(reader, b"220")
                transport.write(b"EHLO busta.invalid\r\n")
                await self._expect(reader, b"250")
                transport.write(b"STARTTLS\r\n")
                await self._expect(reader, b"220")
            elif self.starttls == "imap":
                await self._expect(reader, b"* OK")
                transport.write(b"a STARTTLS\r\n")
                await self._expect(reader, b"a OK")
            elif self.starttls == "postgres":
                transport.write(_POSTGRES_SSL_REQUEST)
                if await reader.readexactly(1) != b"S":
                    raise SourceFailure(f"{self._where} does not offer TLS", reached=True)
        except OSError as error:
            raise failure_of(error, self._where) from error
        except asyncio.IncompleteReadError as error:
            raise SourceFailure(f"{self._where} closed the connection before TLS") from error

    async def _expect(self, reader: asyncio.StreamReader, begin: bytes) -> None:
        """Reads lines until one is a reply; `220-` and untagged lines are continued."""
        for _ in range(_MAX_LINES):
            line = await self._line(reader)
            if self.starttls == "smtp" and line[3:4] == b"-":
                continue
            if self.starttls == "imap" and begin == b"a OK" and line.startswith(b"*"):
                continue
            if line.upper().startswith(begin.upper()):
                return
            said = line[:60].decode("latin-1").strip()
            raise SourceFailure(
                f"{self._where} does not offer {self.starttls} STARTTLS: it said {said!r}", reached=True
            )
        raise SourceFailure(f"{self._where} talks without end instead of offering STARTTLS")

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            raise SourceFailure(f"{self._where} sends a line without end") from error

    def _details(self, values: Mapping[str, Any]) -> dict[str, Any]:
        names = ("subject", "issuer", "not_after", "protocol", "cipher", "chain_error")
        return {name: values[name] for name in names if name in values}

    def _warnings(self, values: Mapping[str, Any], verdict: str | None, names: tuple[str, ...]) -> tuple[str, ...]:
        warnings = [verdict] if verdict else []
        if not values["chain_valid"]:
            warnings.append(f"the certificate of {self._where} is not trusted: {values['chain_error']}")
        if not values["hostname_valid"]:
            warnings.append(f"the certificate is not for {self._name}, but for {', '.join(names[:5]) or 'no host'}")
        return tuple(warnings)


def _fault_of(failure: SourceFailure) -> ssl.SSLCertVerificationError:
    """The fault of the certificate behind `failure`; raises the failure when it is another one."""
    if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
        return failure.__cause__
    raise failure


def _session(transport: asyncio.Transport, elapsed_ms: float, phases: Phases) -> _Session:
    tls = transport.get_extra_info("ssl_object")
    cipher = tls.cipher()
    certificate = tls.getpeercert(binary_form=True) or b""
    return _Session(certificate, tls.version() or "", cipher[0] if cipher else "", elapsed_ms, phases)

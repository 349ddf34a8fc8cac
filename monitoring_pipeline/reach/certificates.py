"""What a server's certificate says: whom it is for, who signed it, how long it is valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Certificate", "read_certificate"]

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """The facts of one certificate. `names` and `addresses` are its subject alternative names."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    self_signed: bool

    def days_left(self, now: datetime) -> float:
        """Days until it expires; negative when it has."""
        return (self.not_after - now).total_seconds() / _DAY

    def is_for(self, host: str) -> bool:
        """Whether it names `host`, a DNS name or an IP address, by the rules of RFC 9525.

        A wildcard stands for exactly one whole leftmost label; the common name does not count.
        """
        try:
            return str(ip_address(host)) in self.addresses
        except ValueError:
            name = host.rstrip(".").lower()
        return any(_matches(pattern.rstrip(".").lower(), name) for pattern in self.names)

    def verdict(self, now: datetime) -> str | None:
        """Why its dates make it invalid at `now`, in words; None when they do not."""
        if now > self.not_after:
            return f"the certificate expired {_ago(now - self.not_after)} ago, on {self.not_after:%Y-%m-%d %H:%M} UTC"
        if now < self.not_before:
            return f"the certificate is not valid before {self.not_before:%Y-%m-%d %H:%M} UTC"
        return None


def _matches(pattern: str, name: str) -> bool:
    if not pattern.startswith("*."):
        return pattern == name
    label, _, rest = name.partition(".")
    return bool(label) and "." in rest and rest == pattern[2:]


def _ago(delta: timedelta) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(delta.total_seconds() // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


@lru_cache(maxsize=4096)
def read_certificate(der: bytes) -> Certificate:
    """The facts of a certificate in DER. Raises ValueError when it cannot be parsed."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(alternatives.get_values_for_type(x509.DNSName))
        addresses = tuple(str(address) for address in alternatives.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        names, addresses = (), ()
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=names,
        addresses=addresses,
        self_signed=_signed_itself(certificate),
    )


def _signed_itself(certificate: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True

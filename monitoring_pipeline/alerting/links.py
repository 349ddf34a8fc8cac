"""Links in messages: to an alert's page, and to its acknowledgement, which a signature in the URL allows.

Whoever got the message may acknowledge without logging in. Opening the link shows a page with a button
and changes nothing: scanners of mail and chat open every link they see.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from monitoring_pipeline.checks.push import push_secret

__all__ = ["Links", "link_secret"]

_PURPOSE = b"alerts/acknowledge"


def link_secret(directory: Path) -> bytes:
    """The secret of the links, derived from the installation's own (`push.key`), of which it tells nothing.

    Raises StoreError when that cannot be read or made.
    """
    return hmac.new(push_secret(directory), _PURPOSE, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links. `base_url` is how people reach the API, `secret` signs what may be done without a login."""

    base_url: str
    secret: bytes = field(repr=False)

    def alert(self, alert_id: int) -> str:
        """The page of an alert."""
        return f"{self._base}/alerts/{alert_id}"

    def acknowledge(self, alert_id: int) -> str:
        """The page on which whoever has this link may acknowledge the alert."""
        return f"{self.alert(alert_id)}/acknowledge?token={self.token(alert_id)}"

    def token(self, alert_id: int) -> str:
        """What the link proves itself with: 43 characters that are safe in a URL."""
        digest = hmac.new(self.secret, f"acknowledge/{alert_id}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def verify(self, alert_id: int, token: str) -> bool:
        """Whether a token is this alert's; takes the same time however much of it is right."""
        return hmac.compare_digest(self.token(alert_id).encode(), token.encode(errors="replace"))

    @property
    def _base(self) -> str:
        return self.base_url.rstrip("/")

"""Buckets of stores that speak S3: how to open one, and what its errors mean.

Every request connects afresh and is not retried: a monitor wants to see each failure.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from monitoring_pipeline.errors import CheckError, SourceFailure

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

__all__ = ["Bucket", "address_of", "check_endpoint", "failure_of"]

_CREDENTIALS_IN_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def check_endpoint(endpoint: str | None) -> str | None:
    """The endpoint without a slash at its end. Raises ValueError with what is allowed."""
    if endpoint is None:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("endpoint must look like https://s3.example.com or http://127.0.0.1:9000")
    return endpoint.rstrip("/")


def address_of(endpoint: str | None, region: str) -> tuple[str, int]:
    """Host and port that requests go to."""
    parts = urlsplit(endpoint or f"https://s3.{region}.amazonaws.com")
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, where it is, and the credentials for it; without any, those of the environment or none."""

    name: str
    endpoint: str | None
    region: str
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None

    def open(self, timeout_s: float) -> S3Store:
        """The bucket's client; nothing is sent yet."""
        from obstore.store import S3Store

        timeout = timedelta(seconds=timeout_s)
        return S3Store(
            self.name,
            config=self._config(),
            client_options={
                "allow_http": bool(self.endpoint and self.endpoint.startswith("http://")),
                "timeout": timeout,
                "connect_timeout": timeout,
                # Each probe connects afresh: a kept connection would hide that nobody listens any more.
                "pool_max_idle_per_host": "0",
            },
            retry_config={"max_retries": 0},
        )

    def _config(self) -> S3Config:
        config: S3Config = {"region": self.region}
        if self.endpoint:
            config["endpoint"] = self.endpoint
        if self.access_key and self.secret_key:
            config["access_key_id"] = self.access_key.get_secret_value()
            config["secret_access_key"] = self.secret_key.get_secret_value()
            if self.session_token:
                config["session_token"] = self.session_token.get_secret_value()
        elif not any(os.environ.get(name) for name in _CREDENTIALS_IN_ENVIRONMENT):
            # Else the client would go and ask the cloud's metadata address for some.
            config["skip_signature"] = True
        return config


_TELLING = (
    r"<Message>([^<]+)</Message>",
    r'kind: \w+,\s*message: "([^"]+)"',
    r'error: "([^"]+)"',
    r"(invalid peer certificate[^\n\"]*)",
    r"Server returned non-2xx status code: (\d+[^:\n]*)",
    r"source: (TimedOut)",
)


def failure_of(error: Exception) -> Exception:
    """The few words that tell, out of the client's page-long description."""
    text = str(error)
    code = re.search(r"<Code>([^<]+)</Code>", text)
    for pattern in _TELLING:
        found = re.search(pattern, text)
        if found:
            words = "the store did not answer in time" if found[1] == "TimedOut" else found[1].strip()
            answered = code is not None or found[1][:1].isdigit()
            return SourceFailure(f"{words} ({code[1]})" if code else words, reached=answered)
    if "ConfigurationKey" in type(error).__name__ or "InvalidPath" in type(error).__name__:
        return CheckError(text.partition("\n")[0])
    return SourceFailure(text.partition("\n")[0][:300])

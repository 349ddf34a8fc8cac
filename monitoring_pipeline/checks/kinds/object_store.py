"""The `object_store` kind: a bucket of an S3-compatible store."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.connection import addresses_of

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

__all__ = ["ObjectStoreCheck"]

_CREDENTIALS_IN_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_PAGE = 1000


class ObjectStoreCheck(Check):
    """Lists a bucket, or looks at one object, of any store that speaks S3 (AWS, MinIO, Ceph, R2, ...).

    Values of a listing: `reachable`, `count` (up to `max_keys`, then `truncated`), `bytes_total`,
    `newest_age_s`, `oldest_age_s`, `newest_key`, `response_time_ms`. With `key`: `size` and `age_s`
    of that object; the listing then happens only when `prefix` is given too.

    A missing bucket or object, refused credentials or connection, and errors of the server are
    critical. Credentials come from the fields or from the usual AWS environment variables; without
    any, requests go unsigned, as public buckets want it.
    """

    kind: Literal["object_store"]
    bucket: str = Field(min_length=1, description="Name of the bucket.")
    endpoint: str | None = Field(None, description="http:// or https:// address of the store; AWS by default.")
    region: str = Field("us-east-1", description="Region of the bucket; many stores accept any.")
    prefix: str | None = Field(None, description="Only objects below this folder (whole path segments).")
    key: str | None = Field(None, description="One object to look at.")
    access_key: SecretStr | None = Field(None, description="Access key id.")
    secret_key: SecretStr | None = Field(None, description="Secret access key.")
    session_token: SecretStr | None = Field(None, description="Token of temporary credentials.")
    max_keys: int = Field(10_000, ge=1, le=1_000_000, description="No more objects than this are listed.")

    metrics: ClassVar[Mapping[str, str]] = {
        "response_time_ms": "ms",
        "count": "objects",
        "bytes_total": "bytes",
        "newest_age_s": "s",
        "oldest_age_s": "s",
        "size": "bytes",
        "age_s": "s",
    }

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_an_address(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("endpoint must look like https://s3.example.com or http://127.0.0.1:9000")
        return endpoint.rstrip("/")

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> ObjectStoreCheck:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together: give both or neither")
        return self

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        from obstore.store import S3Store  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """See the class."""
        await addresses_of(context, *self._address())
        store = (await context.clients.get(self._client_name(context), lambda: self._open(context.timeout_s))).store
        began = time.perf_counter()
        values: dict[str, Any] = {"reachable": True}
        if self.key is not None:
            values |= await self._look(store, context.now)
        if self.key is None or self.prefix is not None:
            values |= await self._list(store, context.now)
        values["response_time_ms"] = (time.perf_counter() - began) * 1000
        return Probe(values, details={"bucket": self.bucket, "endpoint": self.endpoint or f"AWS {self.region}"})

    def _address(self) -> tuple[str, int]:
        parts = urlsplit(self.endpoint or f"https://s3.{self.region}.amazonaws.com")
        return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)

    def _client_name(self, context: ProbeContext) -> str:
        settings = (self.endpoint, self.region, self.bucket, self.access_key, self.secret_key, self.session_token)
        return f"object_store {context.key} {hash(settings)}"

    async def _open(self, timeout_s: float) -> _Client:
        from obstore.store import S3Store

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
        timeout = timedelta(seconds=timeout_s)
        store = S3Store(
            self.bucket,
            config=config,
            client_options={
                "allow_http": bool(self.endpoint and self.endpoint.startswith("http://")),
                "timeout": timeout,
                "connect_timeout": timeout,
                # Each probe connects afresh: a kept connection would hide that nobody listens any more.
                "pool_max_idle_per_host": "0",
            },
            retry_config={"max_retries": 0},
        )
        return _Client(store)

    async def _look(self, store: S3Store, now: datetime) -> dict[str, Any]:
        import obstore

        assert self.key is not None  # noqa: S101 - the caller asked only with a key
        try:
            meta = await obstore.head_async(store, self.key)
        except FileNotFoundError:
            raise SourceFailure(f"bucket {self.bucket} or its object {self.key} does not exist", reached=True) from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _failure(error) from None
        return {"size": meta["size"], "age_s": (now - meta["last_modified"]).total_seconds()}

    async def _list(self, store: S3Store, now: datetime) -> dict[str, Any]:
        import obstore

        seen = _Seen(self.max_keys)
        try:
            async for page in obstore.list(store, self.prefix, chunk_size=_PAGE):
                if seen.add(page):
                    break
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _failure(error) from None
        return seen.values(now)


@dataclass(frozen=True, slots=True)
class _Client:
    """The store in the form that shared clients have."""

    store: S3Store

    def close(self) -> None:
        """Nothing stays open between probes."""


class _Seen:
    """Sums of a listing; the objects themselves are forgotten at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._bytes = 0
        self._truncated = False
        self._newest: tuple[datetime, str] | None = None
        self._oldest: datetime | None = None

    def add(self, page: Any) -> bool:
        """Counts one page in; true when the limit is reached and there is more."""
        for meta in page:
            if self._count == self._limit:
                self._truncated = True
                return True
            self._count += 1
            self._bytes += meta["size"]
            moment = meta["last_modified"]
            if self._newest is None or moment > self._newest[0]:
                self._newest = (moment, meta["path"])
            if self._oldest is None or moment < self._oldest:
                self._oldest = moment
        return False

    def values(self, now: datetime) -> dict[str, Any]:
        values: dict[str, Any] = {"count": self._count, "bytes_total": self._bytes, "truncated": self._truncated}
        if self._newest and self._oldest:
            values["newest_key"] = self._newest[1]
            values["newest_age_s"] = (now - self._newest[0]).total_seconds()
            values["oldest_age_s"] = (now - self._oldest).total_seconds()
        return values


_TELLING = (
    r"<Message>([^<]+)</Message>",
    r'kind: \w+,\s*message: "([^"]+)"',
    r'error: "([^"]+)"',
    r"(invalid peer certificate[^\n\"]*)",
    r"Server returned non-2xx status code: (\d+[^:\n]*)",
    r"source: (TimedOut)",
)


def _failure(error: Exception) -> Exception:
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

"""The `object_store` kind: a bucket of an S3-compatible store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.connection import addresses_of
from monitoring_pipeline.reach.object_store import Bucket, address_of, check_endpoint, failure_of

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["ObjectStoreCheck"]

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
        return check_endpoint(endpoint)

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
        await addresses_of(context, *address_of(self.endpoint, self.region))
        store = (await context.clients.get(self._client_name(context), lambda: self._open(context.timeout_s))).store
        began = time.perf_counter()
        values: dict[str, Any] = {"reachable": True}
        if self.key is not None:
            values |= await self._look(store, context.now)
        if self.key is None or self.prefix is not None:
            values |= await self._list(store, context.now)
        values["response_time_ms"] = (time.perf_counter() - began) * 1000
        return Probe(values, details={"bucket": self.bucket, "endpoint": self.endpoint or f"AWS {self.region}"})

    def _client_name(self, context: ProbeContext) -> str:
        settings = (self.endpoint, self.region, self.bucket, self.access_key, self.secret_key, self.session_token)
        return f"object_store {context.key} {hash(settings)}"

    async def _open(self, timeout_s: float) -> _Client:
        bucket = Bucket(self.bucket, self.endpoint, self.region, self.access_key, self.secret_key, self.session_token)
        return _Client(bucket.open(timeout_s))

    async def _look(self, store: S3Store, now: datetime) -> dict[str, Any]:
        import obstore

        assert self.key is not None  # noqa: S101 - the caller asked only with a key
        try:
            meta = await obstore.head_async(store, self.key)
        except FileNotFoundError:
            raise SourceFailure(f"bucket {self.bucket} or its object {self.key} does not exist", reached=True) from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise failure_of(error) from None
        return {"size": meta["size"], "age_s": (now - meta["last_modified"]).total_seconds()}

    async def _list(self, store: S3Store, now: datetime) -> dict[str, Any]:
        import obstore

        seen = _Seen(self.max_keys)
        try:
            async for page in obstore.list(store, self.prefix, chunk_size=_PAGE):
                if seen.add(page):
                    break
        except (obstore.exceptions.BaseError, OSError) as error:
            raise failure_of(error) from None
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

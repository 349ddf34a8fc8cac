"""`redis`: a Redis or Valkey server, and one key of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.endpoint import Endpoint, unreachable

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisCheck"]

_SCHEMES = {"redis": 6379, "rediss": 6379}
_LENGTH = {"list": "llen", "stream": "xlen", "set": "scard", "zset": "zcard", "hash": "hlen", "string": "strlen"}


class RedisCheck(Check):
    """Pings a Redis server and reads its figures.

    Values: `response_time_ms` (one PING), `connect_ms` (with the log-in), `role` (master or replica),
    `used_memory_bytes`, `memory_percent` (where a limit is set), `connected_clients`, `hit_ratio`,
    `evicted_keys`, `version`; of a replica `link_up` and `replication_lag_s`; of a `key`
    `key_exists`, `key_type`, `key_ttl_s` (absent without expiry) and `key_length`.
    """

    kind: Literal["redis"]
    url: SecretStr = Field(description="redis:// or rediss:// (TLS), with user, password, port and /database.")
    key: str | None = Field(None, min_length=1, description="A key to look at.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    metrics: ClassVar[Mapping[str, str]] = {
        "response_time_ms": "ms",
        "used_memory_bytes": "bytes",
        "memory_percent": "%",
        "connected_clients": "",
        "hit_ratio": "",
        "evicted_keys": "",
        "replication_lag_s": "s",
        "key_ttl_s": "s",
        "key_length": "",
    }

    @field_validator("url")
    @classmethod
    def _url_is_one_of_redis(cls, url: SecretStr) -> SecretStr:
        Endpoint.parse(url.get_secret_value(), _SCHEMES)
        return url

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        from redis.asyncio import Redis  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """Connects, pings and reads. Raises SourceFailure when the server denies it or is not there."""
        from redis.exceptions import RedisError

        endpoint = Endpoint.parse(self.url.get_secret_value(), _SCHEMES)
        await endpoint.permitted(context)
        values: dict[str, Any] = {}
        warnings: list[str] = []
        try:
            async with self._client(endpoint) as client:
                await _measure(client, values)
                await _figures(client, values, warnings)
                if self.key is not None:
                    values.update(await _key(client, self.key))
        except (RedisError, OSError, EOFError) as error:
            failure = _failure(error, endpoint)
            if isinstance(failure, SourceFailure):
                failure.values.update(values)
            raise failure from error
        details: dict[str, Any] = {name: values[name] for name in ("version", "role") if name in values}
        return Probe(values, details=details, warnings=tuple(warnings))

    @asynccontextmanager
    async def _client(self, endpoint: Endpoint) -> AsyncIterator[Redis]:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # Time-outs and retries are the caller's; RESP2 is what every version speaks.
        options: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": None, "protocol": 2}
        if endpoint.scheme == "rediss":
            endpoint.tls(verify=self.verify, ca_file=self.ca_file)  # a file that cannot be read is our own fault
            options["ssl_ca_certs"] = str(self.ca_file) if self.ca_file else None
            options["ssl_check_hostname"] = self.verify
            options["ssl_cert_reqs"] = "required" if self.verify else "none"
        client: Redis = Redis.from_url(
            self.url.get_secret_value(), single_connection_client=True, retry=Retry(NoBackoff(), 0),
            decode_responses=True, encoding_errors="replace", **options,
        )  # fmt: skip
        try:
            yield client
        finally:
            await client.aclose()


def _failure(error: Exception, endpoint: Endpoint) -> Exception:
    from redis import exceptions

    text = str(error)
    if isinstance(error, exceptions.NoPermissionError):
        return SourceFailure(f"{endpoint} denied us a command: {text}")
    if isinstance(error, exceptions.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        given = "the user or password is wrong" if "WRONGPASS" in text or "invalid" in text else text
        return SourceFailure(f"{endpoint} denied us access: {given}")
    if isinstance(error, exceptions.BusyLoadingError):
        return SourceFailure(f"{endpoint} is still loading its data")
    if isinstance(error, exceptions.InvalidResponse):
        return SourceFailure(f"{endpoint} does not speak the Redis protocol")
    if isinstance(error, exceptions.ConnectionError) and "closed by server" in text:
        return SourceFailure(f"{endpoint} closed the connection before it answered")
    return unreachable(error, endpoint)


async def _measure(client: Redis, values: dict[str, Any]) -> None:
    for name in ("connect_ms", "response_time_ms"):
        started = time.perf_counter()
        await client.ping()
        values[name] = (time.perf_counter() - started) * 1000


async def _figures(client: Redis, values: dict[str, Any], warnings: list[str]) -> None:
    from redis.exceptions import NoPermissionError

    try:
        info: dict[str, Any] = await client.info()
    except NoPermissionError:
        warnings.append("this user may not run INFO, so the server's figures are unknown")
        return
    values["version"] = str(info.get("redis_version", ""))
    for name in ("connected_clients", "evicted_keys"):
        values[name] = info.get(name)
    values["used_memory_bytes"] = info.get("used_memory")
    if info.get("maxmemory"):
        values["memory_percent"] = 100 * info["used_memory"] / info["maxmemory"]
    hits, misses = info.get("keyspace_hits", 0), info.get("keyspace_misses", 0)
    if hits + misses:
        values["hit_ratio"] = hits / (hits + misses)
    values["role"] = "replica" if info.get("role") == "slave" else info.get("role")
    if values["role"] == "replica":
        values["link_up"] = info.get("master_link_status") == "up"
        if info.get("master_last_io_seconds_ago", -1) >= 0:
            values["replication_lag_s"] = info["master_last_io_seconds_ago"]
    for name in [name for name, value in values.items() if value is None]:
        del values[name]


async def _key(client: Redis, key: str) -> dict[str, Any]:
    type_ = str(await client.type(key))
    if type_ == "none":
        return {"key_exists": False}
    values: dict[str, Any] = {"key_exists": True, "key_type": type_}
    left_ms = await client.pttl(key)
    if left_ms >= 0:
        values["key_ttl_s"] = left_ms / 1000
    if type_ in _LENGTH:
        values["key_length"] = await getattr(client, _LENGTH[type_])(key)
    return values

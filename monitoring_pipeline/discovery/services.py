"""Services of this machine as sources: for each protocol the checks worth having, the best first.

A service that wants a log-in is watched at its port, with a hint how to watch more of it.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from monitoring_pipeline.discovery.found import Found
from monitoring_pipeline.discovery.listeners import Listener, identify, listeners
from monitoring_pipeline.discovery.trial import Candidate, Trial, first_working

__all__ = ["find_services"]

_LIMIT = 60
_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class _Protocol:
    """What people call it, how important it is, its candidates, and what to do when none but `tcp` works."""

    name: str
    candidates: Callable[[Listener], list[Candidate]]
    hint: str = ""
    tags: tuple[str, ...] = ()
    greets: str | None = None


async def find_services(
    trial: Trial, *, also: Collection[int], without: Collection[int], on_found: Callable[[Found], None]
) -> list[Found]:
    """Every listening service, tried. `on_found` is told of each as soon as it is known."""
    heard = await asyncio.to_thread(lambda: listeners(also=also, without=without))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(listener: Listener) -> Found:
        async with slots:
            known = replace(listener, protocol=await asyncio.to_thread(identify, listener))
            found = await _tried(trial, known)
        on_found(found)
        return found

    found = await asyncio.gather(*(one(listener) for listener in heard[:_LIMIT]))
    return _with_short_names(found)


async def _tried(trial: Trial, listener: Listener) -> Found:
    protocol = _PROTOCOLS.get(listener.protocol, _Protocol("TCP service", lambda _: []))
    port_only = _port_check(listener, protocol)
    source_id = f"{listener.protocol or listener.program.partition('.')[0].lower() or 'tcp'}-{listener.port}"
    candidates = [*protocol.candidates(listener), port_only]
    checks, status, message = await first_working(trial, source_id, candidates)
    fell_back = checks is port_only and len(candidates) > 1
    source = {
        "id": _plain(source_id),
        "name": f"{protocol.name} at port {listener.port}",
        "component": "services",
        "description": f"{listener.program} listens at {_place(listener)}" if listener.program else "",
        "tags": list(protocol.tags),
        "depends_on": ["machine"],
        "checks": [dict(check) for check in checks],
    }
    hint = protocol.hint.format(place=_place(listener)) if fell_back or not protocol.candidates(listener) else ""
    what = protocol.name + (f" ({listener.program})" if listener.program else "")
    return Found("services", what, _place(listener), {k: v for k, v in source.items() if v}, status, message, hint)


def _with_short_names(found: list[Found]) -> list[Found]:
    """`redis` instead of `redis-6379` where there is only one."""
    counts: dict[str, int] = {}
    for each in found:
        stem = each.id.rpartition("-")[0]
        counts[stem] = counts.get(stem, 0) + 1
    short = []
    for each in found:
        stem = each.id.rpartition("-")[0]
        plain = counts[stem] == 1 and stem in _PROTOCOLS and stem not in ("http", "https")
        short.append(replace(each, source={**each.source, "id": stem}) if plain else each)
    return short


def _plain(text: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in text)
    return kept.strip("-_.") or "service"


def _place(listener: Listener) -> str:
    return f"[{listener.host}]:{listener.port}" if ":" in listener.host else f"{listener.host}:{listener.port}"


def _port_check(listener: Listener, protocol: _Protocol) -> Candidate:
    check: dict[str, Any] = {"kind": "tcp", "host": listener.host, "port": listener.port}
    return [check | ({"expect": protocol.greets} if protocol.greets else {})]


def _http(listener: Listener) -> list[Candidate]:
    scheme = "https" if listener.protocol == "https" else "http"
    base = f"{scheme}://{_place(listener)}"
    checks: list[dict[str, Any]] = [{"kind": "http", "url": f"{base}{path}"} for path in ("/health", "/healthz", "/")]
    # Whatever it says at / today, as long as it is no failure of its own.
    checks.append({"kind": "http", "url": f"{base}/", "conditions": ["status < 500"]})
    if scheme == "https":
        checks = [check | {"verify": verify} if not verify else check for verify in (True, False) for check in checks]
    return [[check] for check in checks]


def _redis(listener: Listener) -> list[Candidate]:
    return [[{"kind": "redis", "url": f"redis://{_place(listener)}"}]]


def _postgresql(listener: Listener) -> list[Candidate]:
    url = f"postgresql://{getpass.getuser()}@{_place(listener)}/postgres"
    full = ["connected == true", {"warning": "connection_percent < 80"}]
    return [[{"kind": "sql", "url": url, "conditions": full}], [{"kind": "sql", "url": url}]]


def _amqp(listener: Listener) -> list[Candidate]:
    # RabbitMQ's own account, which it accepts from loopback only.
    return [[{"kind": "amqp", "url": f"amqp://guest:guest@{_place(listener)}/"}]]


def _mqtt(listener: Listener) -> list[Candidate]:
    return [[{"kind": "mqtt", "url": f"mqtt://{_place(listener)}"}]]


def _nats(listener: Listener) -> list[Candidate]:
    return [[{"kind": "nats", "url": f"nats://{_place(listener)}"}]]


def _none(listener: Listener) -> list[Candidate]:
    return []


_PROTOCOLS = {
    "http": _Protocol("HTTP server", _http, tags=("web",)),
    "https": _Protocol("HTTPS server", _http, tags=("web",)),
    "redis": _Protocol(
        "Redis", _redis, "To watch its memory and clients too: kind: redis, url: redis://:${{REDIS_PASSWORD}}@{place}",
        ("database",),
    ),
    "postgresql": _Protocol(
        "PostgreSQL", _postgresql,
        "To watch connections and queries too:\n"
        "kind: sql, url: postgresql://USER:${{POSTGRES_PASSWORD}}@{place}/DATABASE", ("database",),
    ),
    "mysql": _Protocol(
        "MySQL or MariaDB", _none,
        "To watch connections and queries too (pip install 'monitoring-pipeline[mysql]'):\n"
        "kind: sql, url: mysql://USER:${{MYSQL_PASSWORD}}@{place}/DATABASE", ("database",),
    ),
    "amqp": _Protocol(
        "AMQP broker", _amqp,
        "To watch queues too (pip install 'monitoring-pipeline[amqp]'):\n"
        "kind: amqp, url: amqp://USER:${{AMQP_PASSWORD}}@{place}/, queue: NAME", ("queue",),
    ),
    "mqtt": _Protocol(
        "MQTT broker", _mqtt,
        "To watch topics too (pip install 'monitoring-pipeline[mqtt]'):\n"
        "kind: mqtt, url: mqtt://USER:${{MQTT_PASSWORD}}@{place}, topic: NAME", ("queue",),
    ),
    "nats": _Protocol(
        "NATS server", _nats,
        "To watch streams too (pip install 'monitoring-pipeline[nats]'):\n"
        "kind: nats, url: nats://USER:${{NATS_PASSWORD}}@{place}, stream: NAME", ("queue",),
    ),
    "ssh": _Protocol("SSH server", _none, greets="SSH-"),
    "smtp": _Protocol("Mail server", _none, greets="220", tags=("mail",)),
    "epmd": _Protocol("Erlang port mapper", _none),
}  # fmt: skip

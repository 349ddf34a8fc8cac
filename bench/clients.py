"""Plain clients to compare with: the same requests at the same pace, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["CLIENTS"]


async def _paced(count: int, per_second: float, request: Callable[[int], Awaitable[None]]) -> None:
    began, tasks = time.monotonic(), set()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
        task = asyncio.ensure_future(request(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def _own(port: int, count: int, per_second: float) -> None:
    from datetime import UTC, datetime

    from monitoring_pipeline.checks.check import ProbeContext
    from monitoring_pipeline.reach.clients import SharedClients
    from monitoring_pipeline.reach.connection import Phases
    from monitoring_pipeline.reach.http_exchange import exchange, request_bytes, target_of
    from monitoring_pipeline.reach.spec import NetworksSpec
    from monitoring_pipeline.records import Source, Status

    class Nothing:
        def status_of(self, key: str) -> Status:
            raise NotImplementedError(key)

        def beats(self, key: str, limit: int) -> list[dict[str, object]]:
            raise NotImplementedError(key, limit)

    clients = SharedClients(NetworksSpec())
    context = ProbeContext(datetime.now(UTC), Source("plain"), "plain/http", 10, clients, Nothing())

    async def request(number: int) -> None:
        target = target_of(f"http://127.0.0.1:{port}/api-{number:05d}")
        raw = request_bytes("GET", target, {}, b"")
        async with asyncio.timeout(10):
            answer = await exchange(context, target, raw, phases=Phases(), tls=None, head_only=False, limit=1_000_000)
        if answer.status != 200:
            raise RuntimeError(f"the target answered {answer.status}")

    await _paced(count, per_second, request)


async def _aiohttp(port: int, count: int, per_second: float) -> None:
    import aiohttp

    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def request(number: int) -> None:
            async with session.get(f"http://127.0.0.1:{port}/api-{number:05d}") as answer:
                await answer.read()
                answer.raise_for_status()

        await _paced(count, per_second, request)


CLIENTS = {"plain": _own, "aiohttp": _aiohttp}

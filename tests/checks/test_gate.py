"""The gate: never more inside than its limit, nobody left waiting, first come first served."""

from __future__ import annotations

import asyncio

from monitoring_pipeline.checks.gate import Gate


async def test_never_more_inside_than_the_limit() -> None:
    gate, inside, most = Gate(3), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with gate:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(visit() for _ in range(50)))
    assert (most, inside) == (3, 0)


async def test_waiters_enter_in_order_and_a_cancelled_one_leaves_no_hole() -> None:
    gate, order = Gate(1), []

    async def visit(name: int) -> None:
        async with gate:
            order.append(name)
            await asyncio.sleep(0)

    async with gate:
        tasks = [asyncio.ensure_future(visit(n)) for n in range(4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3]
    async with asyncio.timeout(30), gate:
        pass


async def test_a_waiter_cancelled_in_the_moment_it_is_let_in_gives_its_place_back() -> None:
    gate = Gate(1)
    await gate.__aenter__()
    waiter = asyncio.ensure_future(gate.__aenter__())
    await asyncio.sleep(0)
    await gate.__aexit__()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    async with asyncio.timeout(30), gate:
        pass


async def test_resizing_lets_waiters_in_and_keeps_to_its_bounds() -> None:
    gate = Gate(20)
    gate.resize(1)
    assert gate.limit == 8
    for _ in range(8):
        await gate.__aenter__()
    waiter = asyncio.ensure_future(gate.__aenter__())
    await asyncio.sleep(0)
    assert not waiter.done()
    gate.resize(500)
    assert gate.limit == 20
    await asyncio.wait_for(waiter, 30)

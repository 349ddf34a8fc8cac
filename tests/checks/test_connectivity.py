"""The self-connectivity guard: when we are cut off, and when a silent target proves nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from monitoring_pipeline.checks.connectivity import Guard, interface_is_up
from monitoring_pipeline.checks.spec import ConnectivitySpec
from tests.servers import free_port


@pytest.fixture
async def target():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    yield server, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def up() -> bool:
    return True


async def test_with_a_target_that_answers_we_are_not_cut_off(target) -> None:
    guard = Guard(ConnectivitySpec(targets=(target[1],)), ever_reached=False, link=up)
    assert await guard.cut_off(time.monotonic()) is None
    assert guard.ever_reached


async def test_a_target_that_answered_before_and_falls_silent_means_we_are_cut_off(target) -> None:
    server, address = target
    guard = Guard(ConnectivitySpec(targets=(address,)), ever_reached=False, link=up)
    assert await guard.reach_targets()
    server.close()
    await server.wait_closed()
    assert await guard.cut_off(time.monotonic()) == f"none of {address} answers"


async def test_a_target_that_never_answered_proves_nothing() -> None:
    guard = Guard(ConnectivitySpec(targets=(f"127.0.0.1:{free_port()}",)), ever_reached=False, link=up)
    assert await guard.cut_off(time.monotonic()) is None


async def test_a_probe_that_succeeded_since_disproves_it() -> None:
    began = time.monotonic()
    guard = Guard(ConnectivitySpec(), ever_reached=True, link=lambda: False)
    assert await guard.cut_off(began) == "no network interface is up"
    guard.saw_success(lambda: True)
    assert await guard.cut_off(began) == "no network interface is up"
    guard.saw_success(lambda: False)
    assert await guard.cut_off(began) is None


def test_the_link_is_read_from_this_machine() -> None:
    assert interface_is_up() in (True, False)

"""Servers that no wheel carries: used when they run on loopback, else the test says why it is skipped."""

from __future__ import annotations

import contextlib
import os
import random
import socket

import pytest

__all__ = ["free_port", "need_server"]

_CHANCE = random.SystemRandom()  # each worker its own, whatever seeds the common one


def need_server(name: str, host: str, port: int) -> None:
    """Skips the test with a plain reason when nothing listens; with CI=true that is a failure."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as error:
        reason = f"{name} does not run on {host}:{port} ({error}); start one to run this test"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def free_port() -> int:
    """A port on loopback that nobody listens on right now.

    It lies below those that the system gives to whoever asks for any, so that nobody gets it in the meantime.
    """
    while True:
        port = _CHANCE.randrange(12_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port

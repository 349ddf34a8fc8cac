"""What everything here is given by whoever reaches out: the time there is, and clients that share a network policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

__all__ = ["Clients", "ReachContext"]


class Clients(Protocol):
    """Clients that all probes of a run share; opened at first use, closed with the run."""

    async def get(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The shared client called `name`, made once by `make` and closed by its `close()` at the end."""

    async def permit(self, host: str, port: int | None = None) -> Sequence[str]:
        """The addresses of `host`. Raises NetworkDenied when one lies in a forbidden network."""

    def permits(self, address: str) -> bool:
        """Whether an IP address lies in no forbidden network."""


class ReachContext(Protocol):
    """Whoever reaches out: a check's probe, a quality suite."""

    @property
    def timeout_s(self) -> float:
        """How long all of it may take."""

    @property
    def clients(self) -> Clients:
        """Shared clients and the networks they may reach."""

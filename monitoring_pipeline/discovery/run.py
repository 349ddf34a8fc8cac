"""The front door: looks everywhere and answers what was found, tried out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from monitoring_pipeline.clock import Clock
from monitoring_pipeline.discovery.found import Found
from monitoring_pipeline.discovery.machine import find_machine, name_servers, time_zone
from monitoring_pipeline.discovery.ourselves import Ports, free_ports, own_sources
from monitoring_pipeline.discovery.public import find_public
from monitoring_pipeline.discovery.sample_data import sample_sources
from monitoring_pipeline.discovery.services import find_services
from monitoring_pipeline.discovery.trial import Trial

__all__ = ["Discovery", "discover"]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found, in the order of the groups, and what the configuration's head needs to know."""

    found: tuple[Found, ...]
    ports: Ports
    name_servers: tuple[str, ...]
    timezone: str = "UTC"


async def discover(
    folder: Path,
    *,
    clock: Clock,
    public: bool = False,
    also: Collection[int] = (),
    on_found: Callable[[Found], None] = lambda _: None,
) -> Discovery:
    """Looks at this machine for a configuration in `folder` (absolute); `on_found` hears of each at once.

    `also` names ports to look at although the system hands them out by itself. Nothing is written.
    """
    directory = folder / ".busta"
    ports = free_ports(directory)
    own = {ports.dagster, ports.api} - set(also)
    found: list[Found] = []
    async with Trial(clock) as trial:
        found += _told(await find_machine(trial), on_found)
        found += await find_services(trial, also=also, without=own, on_found=on_found)
        found += _told(own_sources(directory, ports), on_found)
        found += _told(sample_sources(folder / "samples"), on_found)
        found += _told(await find_public(trial, wanted=public), on_found)
    return Discovery(tuple(found), ports, tuple(name_servers()), time_zone())


def _told(found: list[Found], on_found: Callable[[Found], None]) -> list[Found]:
    for each in found:
        on_found(each)
    return found

"""One thing that can be watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitoring_pipeline.records import Status

__all__ = ["GROUPS", "Found"]

GROUPS = {
    "machine": "This machine: its disks, memory and processors, and how it reaches the network.",
    "services": "Services that listen on this machine.",
    "monitoring": "The monitoring itself: Dagster, the API and the two stores. Who else would watch them?",
    "samples": "A sample data set: a small shop's orders and products, to see how data is watched.",
    "public-open-data": "Public open data on the internet. Off: set `enabled: true` in the template to watch it.",
}
"""The files below `sources/`, in order, and what each is about."""


@dataclass(frozen=True, slots=True)
class Found:
    """A source as its YAML will be, with what its checks said when they were tried.

    `status` is None for what was not tried. `hint` is written above it as a comment.
    """

    group: str
    what: str
    where: str
    source: Mapping[str, Any]
    status: Status | None = None
    message: str = ""
    hint: str = ""
    enabled: bool = field(default=True)

    @property
    def id(self) -> str:
        return str(self.source["id"])

"""What is monitored: sources, and the components that group them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Component", "Criticality", "Source"]


class Criticality(StrEnum):
    """How much a source matters to the whole; `weight` is its share in health scores."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def weight(self) -> int:
        return {"low": 1, "medium": 2, "high": 4, "critical": 8}[self.value]


@dataclass(frozen=True, slots=True)
class Source:
    """One monitored data source or platform component. `depends_on` holds ids of other sources."""

    id: str
    component: str = "default"
    name: str = ""
    description: str = ""
    owner: str = ""
    criticality: Criticality = Criticality.MEDIUM
    tags: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """A group of sources that people think of as one thing."""

    id: str
    description: str = ""
    owner: str = ""
    aggregation: str = "worst"

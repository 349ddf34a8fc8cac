"""What became of a batch of attempts. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Taken, to be tried `again` (after `wait_s` seconds at the earliest), or neither: refused for good."""

    taken: bool
    again: bool = False
    problem: str = ""
    wait_s: float = 0.0

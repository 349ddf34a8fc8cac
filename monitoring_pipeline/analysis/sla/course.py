"""The course of a period: its parts, kept in numbers, because there are many and hardly any is looked at alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, overload

from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.evidence import Pair
from monitoring_pipeline.clock import from_us, to_us

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Course", "Part"]

_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Part:
    """What a stretch of a period counts as."""

    start: datetime
    end: datetime
    pair: Pair


class Course(Sequence[Part]):
    """The parts of a period, oldest first. A part is made when it is asked for.

    A row is begin and end in microseconds, then good, bad, unknown and excluded as measured, and the same after
    corrections.
    """

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.rows = rows

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Course:
        """Parts that exist already."""
        import numpy as np

        rows = [
            (to_us(part.start), to_us(part.end), *_sums(part.pair.measured), *_sums(part.pair.corrected))
            for part in parts
        ]
        return cls(np.array(rows, dtype=np.int64).reshape(-1, _WIDTH))

    def __add__(self, other: Course) -> Course:
        """Both together, in the order of time."""
        import numpy as np

        if not len(self) or not len(other):
            return self if len(self) else other
        rows = np.concatenate([self.rows, other.rows])
        # What is live is nearly always the newest.
        return Course(rows if self.rows[-1, 1] <= other.rows[0, 0] else rows[np.argsort(rows[:, 0], kind="stable")])

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Part]:
        return map(_part, self.rows.tolist())

    @overload
    def __getitem__(self, place: int) -> Part: ...
    @overload
    def __getitem__(self, place: slice) -> Course: ...
    def __getitem__(self, place: int | slice) -> Part | Course:
        return Course(self.rows[place]) if isinstance(place, slice) else _part(self.rows[place].tolist())

    @property
    def pair(self) -> Pair:
        """All parts together."""
        return _pair(self.rows[:, 2:].sum(axis=0).tolist())

    def holes(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """What of [start, end) no part covers; they lie within it and do not overlap."""
        found, at = [], to_us(start)
        for begin, until in self.rows[:, :2].tolist():
            if at < begin:
                found.append((from_us(at), from_us(begin)))
            at = until
        if at < to_us(end):
            found.append((from_us(at), end))
        return found


def _part(row: Sequence[int]) -> Part:
    return Part(from_us(row[0]), from_us(row[1]), _pair(row[2:]))


def _pair(sums: Sequence[int]) -> Pair:
    corrected = Account(*sums[4:])
    return Pair(corrected if sums[:4] == sums[4:] else Account(*sums[:4]), corrected)


def _sums(account: Account) -> tuple[int, int, int, int]:
    return account.good, account.bad, account.unknown, account.excluded

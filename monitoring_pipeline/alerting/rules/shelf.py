"""Points in memory, sorted by stream and moment, so that a window of a stream is found by bisection.

Nothing is ever changed in place: what a transaction added is taken back by keeping the shelves as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["Points", "Rows", "Shelf", "Shelves", "Span"]

_SMALL = 8192
_SHARE = 64


class Points(NamedTuple):
    """Points as columns, in any order; moments in microseconds."""

    stream: Integers
    moment: Integers
    id: Integers
    value: Floats


class Rows(NamedTuple):
    """Points that were asked for; `row` tells which of those asked each belongs to."""

    row: Integers
    moment: Integers
    id: Integers
    value: Floats

    @classmethod
    def together(cls, parts: Sequence[Rows]) -> Rows:
        """Rows of several shelves."""
        import numpy as np

        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class Span(NamedTuple):
    """For each of those asked, where its points lie in a shelf: from `begin` up to before `end`."""

    shelf: Shelf
    begin: Integers
    end: Integers

    @property
    def counts(self) -> Integers:
        """How many points each has."""
        return self.end - self.begin

    @property
    def last(self) -> Integers:
        """The moment of the last point of each, -1 where there is none."""
        import numpy as np

        behind = np.maximum(self.end - 1, 0)
        return np.where(self.end > self.begin, self.shelf.moment[behind], -1)

    def rows(self, chosen: Integers, most: Integers | None = None) -> Rows:
        """The points of the chosen ones, by their index; of each the last ones, where not all are wanted."""
        import numpy as np

        begin, end = self.begin[chosen], self.end[chosen]
        if most is not None:
            begin = np.maximum(begin, end - most)
        counts = end - begin
        row = np.repeat(chosen, counts)
        # Counted on over all of them, less what came before, it is how far into its span each row lies.
        place = np.arange(len(row)) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
        return Rows(row, self.shelf.moment[place], self.shelf.id[place], self.shelf.value[place])


@dataclass(frozen=True, slots=True)
class Shelf:
    """Points in their order: stream, moment, id; those of stream n lie from `first[n]` to `first[n + 1]`."""

    first: Integers
    moment: Integers
    id: Integers
    value: Floats

    @classmethod
    def of(cls, parts: Sequence[Points]) -> Shelf:
        """Sorts points."""
        import numpy as np

        stream, moment, number, value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((number, moment, stream))
        first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(stream, minlength=1))))
        return cls(first, moment[order], number[order], value[order])

    @classmethod
    def empty(cls) -> Shelf:
        """No points."""
        import numpy as np

        nothing = np.zeros(0, dtype=np.int64)
        return cls.of([Points(nothing, nothing, nothing, np.zeros(0))])

    def __len__(self) -> int:
        return len(self.moment)

    @property
    def points(self) -> Points:
        """The points, each with its stream."""
        import numpy as np

        return Points(np.repeat(np.arange(len(self.first) - 1), np.diff(self.first)), self.moment, self.id, self.value)

    def span(self, stream: Integers, since: Integers, upto: Integers) -> Span:
        """Where the points of each stream asked lie, those later than `since` and not later than `upto`."""
        return Span(self, self._behind(stream, since), self._behind(stream, upto))

    def _behind(self, stream: Integers, moment: Integers) -> Integers:
        """For each stream the place behind its last point at or before a moment."""
        import numpy as np

        known = np.minimum(stream, len(self.first) - 2)
        high = self.first[known + 1]
        low = np.where(stream > known, high, self.first[known])
        last = len(self.moment) - 1
        while (searched := low < high).any():
            middle = (low + high) >> 1
            behind = searched & (self.moment[np.minimum(middle, last)] <= moment)
            low = np.where(behind, middle + 1, low)
            high = np.where(searched & ~behind, middle, high)
        return low


@dataclass(frozen=True, slots=True)
class Shelves:
    """A large shelf, and a small one for what came lately, because sorting the large one takes a while."""

    large: Shelf
    small: Shelf

    @classmethod
    def of(cls, parts: Sequence[Points]) -> Shelves:
        """Sorts points."""
        empty = Shelf.empty()
        return cls(Shelf.of(parts) if parts else empty, empty)

    def __len__(self) -> int:
        return len(self.large) + len(self.small)

    def with_points(self, points: Points) -> Shelves:
        """These and more."""
        small = Shelf.of([self.small.points, points])
        if len(small) <= max(_SMALL, len(self.large) // _SHARE):
            return Shelves(self.large, small)
        return Shelves.of([self.large.points, small.points])

    def later_than(self, moment: int) -> Shelves:
        """Without what is older."""
        found = []
        for points in (self.large.points, self.small.points):
            kept = points.moment > moment
            found.append(Points(points.stream[kept], points.moment[kept], points.id[kept], points.value[kept]))
        return Shelves.of(found)

    def spans(self, stream: Integers, since: Integers, upto: Integers) -> list[Span]:
        """Where the points of each stream asked lie, those later than `since` and not later than `upto`."""
        return [shelf.span(stream, since, upto) for shelf in (self.large, self.small) if len(shelf)]

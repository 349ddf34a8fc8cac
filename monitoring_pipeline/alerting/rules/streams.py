"""Numbers for queries and for streams of points, and which streams a query means.

A stream is what one check measures under one name, with one unit and the same tags. Numbers make the
join of queries and points one of integers; 0 stands for streams that nobody asks about.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.alerting.rules.condition import Aggregation, Query
from monitoring_pipeline.store.points import Log, Stream, Wanted

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.rules.shelf import Integers

__all__ = ["CODES", "Spread", "Streams"]

CODES: Mapping[Aggregation, int] = {aggregation: code for code, aggregation in enumerate(Aggregation)}
"""Aggregations as numbers, for tables."""

Subject = tuple[str, str, str]
"""Log, source and metric."""


class _Member(NamedTuple):
    number: int
    check: str
    tags: Mapping[str, str]


class Spread(NamedTuple):
    """Queries, each repeated for every stream it means; `place` is where it stood among those asked."""

    place: Integers
    stream: Integers
    window: Integers
    code: Integers
    newest: Integers

    def part(self, begin: int, end: int) -> Spread:
        """The rows from one to another."""
        return Spread(*(column[begin:end] for column in self))


class Numbers(dict[Stream, int]):
    """The number of each stream of one log; a new one is looked at once."""

    def __init__(self, log: Log, streams: Streams) -> None:
        super().__init__()
        self._log: Log = log
        self._streams = streams

    def __missing__(self, stream: Stream) -> int:
        found = self[stream] = self._streams.meet(self._log, Stream(*stream))
        return found


class Streams:
    """The queries that may be asked, and the streams seen."""

    def __init__(self, queries: Iterable[Query] = ()) -> None:
        self.queries: list[Query] = []
        self.samples, self.results = Numbers("samples", self), Numbers("results", self)
        self._numbers: dict[Query, int] = {}
        # Hashing a query costs a microsecond: whoever asks with the very objects given here pays less.
        self._by_identity: dict[int, int] = {}
        self._kept: list[Query] = []
        self._asking: dict[Subject, list[int]] = defaultdict(list)
        self._members: dict[Subject, list[_Member]] = defaultdict(list)
        self._alike: dict[tuple[Any, ...], int] = {}
        self._streams_of: list[list[int]] = []
        self._arrays: Spread | None = None
        self._units = [""]
        self._ranked: tuple[list[str], Integers] | None = None
        for query in queries:
            self._kept.append(query)
            self._by_identity[id(query)] = self._number(query)

    def of(self, log: Log) -> Numbers:
        """The numbers of one log's streams."""
        return self.samples if log == "samples" else self.results

    def numbers(self, queries: Iterable[Query]) -> list[int]:
        """The numbers of queries; one that is new sees what was kept for others."""
        known = self._by_identity
        return [found if (found := known.get(id(query))) is not None else self._number(query) for query in queries]

    def wanted(self, start: int) -> Wanted:
        """What must be known to answer from a moment (microseconds) on."""
        spans = {
            subject: max(self.queries[number].window for number in numbers) for subject, numbers in self._asking.items()
        }
        return {
            (_log(subject), subject[1], subject[2]): start - span // timedelta(microseconds=1)
            for subject, span in spans.items()
        }

    @property
    def longest(self) -> timedelta:
        """The longest window."""
        return max((query.window for query in self.queries), default=timedelta(0))

    def meet(self, log: Log, stream: Stream) -> int:
        """The number of a stream seen for the first time."""
        subject = (log, stream.source, stream.metric)
        if subject not in self._asking:
            return 0
        tags = _tags(stream.tags)
        alike = (log, stream.source, stream.check, stream.metric, stream.unit, tuple(sorted(tags.items())))
        if alike in self._alike:
            return self._alike[alike]
        member = _Member(len(self._alike) + 1, stream.check, tags)
        self._units.append(stream.unit)
        self._ranked = None
        self._alike[alike] = member.number
        self._members[subject].append(member)
        for number in self._asking[subject]:
            self._join(number, member)
        return member.number

    def units(self) -> tuple[list[str], Integers]:
        """All units by the alphabet, and by a stream's number the place of its own among them."""
        import numpy as np

        if self._ranked is None:
            names = sorted(set(self._units))
            places = {name: place for place, name in enumerate(names)}
            self._ranked = names, np.array([places[unit] for unit in self._units], dtype=np.int64)
        return self._ranked

    def spread(self, numbers: Sequence[int]) -> Spread:
        """The queries of these numbers, each with its streams."""
        import numpy as np

        if self._arrays is None:
            self._arrays = self._table()
        starts, flat, window, code, newest = self._arrays
        asked = np.array(numbers, dtype=np.int64)
        counts = starts[asked + 1] - starts[asked]
        place = np.repeat(np.arange(len(asked), dtype=np.int64), counts)
        # The how-manieth stream of its query each row is: counted on over all, less what came before.
        offset = np.arange(len(place), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
        repeated = asked[place]
        return Spread(place, flat[starts[repeated] + offset], window[repeated], code[repeated], newest[repeated])

    def _number(self, query: Query) -> int:
        found = self._numbers.get(query)
        if found is not None:
            return found
        number = self._numbers[query] = len(self.queries)
        self.queries.append(query)
        self._streams_of.append([])
        subject = (query.series.value, query.source, query.metric)
        if subject not in self._asking:
            numbers = self.of(_log(subject))
            for stream in [stream for stream, known in numbers.items() if not known]:
                del numbers[stream]
        self._asking[subject].append(number)
        for member in self._members.get(subject, ()):
            self._join(number, member)
        self._arrays = None
        return number

    def _join(self, number: int, member: _Member) -> None:
        query = self.queries[number]
        if query.check in ("", member.check) and all(member.tags.get(name) == value for name, value in query.tags):
            self._streams_of[number].append(member.number)
            self._arrays = None

    def _table(self) -> Spread:
        """By query number: where its streams begin in `stream` (in `place`, one longer), window, code, newest."""
        import numpy as np

        counts = [len(streams) for streams in self._streams_of]
        microsecond = timedelta(microseconds=1)
        return Spread(
            np.concatenate(([0], np.cumsum(counts, dtype=np.int64))).astype(np.int64),
            np.array([number for streams in self._streams_of for number in streams], dtype=np.int64),
            np.array([query.window // microsecond for query in self.queries], dtype=np.int64),
            np.array([CODES[query.aggregation] for query in self.queries], dtype=np.int64),
            np.array([query.newest for query in self.queries], dtype=np.int64),
        )


def _log(subject: Subject) -> Log:
    return "samples" if subject[0] == "samples" else "results"


def _tags(text: str) -> Mapping[str, str]:
    if text in ("", "{}"):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

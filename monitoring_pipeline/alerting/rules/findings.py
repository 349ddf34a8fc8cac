"""What was found for queries that were asked together: counts, newest values and aggregates, by place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.alerting.rules import asking
from monitoring_pipeline.alerting.rules.condition import Aggregation
from monitoring_pipeline.alerting.rules.shelf import Rows, Span
from monitoring_pipeline.alerting.rules.streams import CODES, Spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.alerting.rules.shelf import Floats, Integers

__all__ = ["Findings"]

_LAST, _COUNT, _PEAK = CODES[Aggregation.LAST], CODES[Aggregation.COUNT], CODES[Aggregation.PEAK]


@dataclass(frozen=True, slots=True)
class Findings:
    """Columns with an entry per place, from the least place of the portion on; NaN is no value."""

    spread: Spread
    spans: Sequence[Span]
    offset: int
    count: Integers
    last: Integers
    value: Floats
    unit: Integers

    @classmethod
    def of(cls, spread: Spread, spans: Sequence[Span], units: Integers) -> Findings:
        """What the places of the points say alone: how many there are, and when the newest was."""
        import numpy as np

        offset = int(spread.place[0])
        places = spread.place - offset
        count = np.bincount(places, weights=sum(span.counts for span in spans)).astype(np.int64)
        last, unit = np.full(len(count), -1, dtype=np.int64), np.zeros(len(count), dtype=np.int64)
        for span in spans:
            np.maximum.at(last, places, span.last)
            np.maximum.at(unit, places, np.where(span.counts > 0, units[spread.stream], 0))
        value = np.full(len(count), np.nan)
        counted = places[spread.code == _COUNT]
        value[counted] = count[counted]
        count[places[np.isin(spread.code, asking.OF_KNOWN)]] = 0  # until the unknown ones are left out
        return cls(spread, spans, offset, count, last, value, unit)

    def aggregate(self, connection: Callable[[], DuckDBPyConnection]) -> None:
        """Fills in the aggregates."""
        asked = self._asked(list(asking.SIMPLE))
        if len(asked.place):
            place, value = asking.simple(connection(), asked)
            self.value[place - self.offset] = value
        asked = self._asked(asking.SEQUENTIAL)
        if len(asked.place):
            place, value, count = asking.sequential(connection(), asked)
            self.value[place - self.offset], self.count[place - self.offset] = value, count
        self._peak()

    def newest(self) -> dict[int, tuple[float, ...]]:
        """The newest values by place, newest first, where some are wanted; and the last ones, as aggregates."""
        import numpy as np

        is_last = self.spread.code == _LAST
        chosen = np.flatnonzero(is_last | (self.spread.newest > 0))
        if not len(chosen):
            return {}
        most = np.maximum(self.spread.newest[chosen], 1)
        rows = Rows.together([span.rows(chosen, most) for span in self.spans])
        place = self.spread.place[rows.row]
        order = np.lexsort((-rows.id, -rows.moment, place))
        place, value, row = place[order], rows.value[order], rows.row[order]
        begins = np.flatnonzero(np.diff(place, prepend=-1))
        lasting = begins[is_last[row[begins]]]
        self.value[place[lasting] - self.offset] = value[lasting]
        wanted = self.spread.newest[row[begins]]
        ends = np.minimum(begins + wanted, np.concatenate((begins[1:], [len(place)])))
        some = wanted > 0
        values = value.tolist()
        return {
            name: tuple(values[begin:end])
            for name, begin, end in zip(
                place[begins[some]].tolist(), begins[some].tolist(), ends[some].tolist(), strict=True
            )
        }

    def _peak(self) -> None:
        """Fills in the newest values that are farthest from zero, and their moments."""
        import numpy as np

        chosen = np.flatnonzero(self.spread.code == _PEAK)
        if not len(chosen):
            return
        rows = Rows.together([span.rows(chosen, np.ones(len(chosen), dtype=np.int64)) for span in self.spans])
        place, stream = self.spread.place[rows.row], self.spread.stream[rows.row]
        order = np.lexsort((rows.id, rows.moment, stream, place))
        place, stream, moment = place[order], stream[order], rows.moment[order]
        ends = np.flatnonzero((np.diff(place, append=-1) != 0) | (np.diff(stream, append=-1) != 0))
        number, value = rows.id[order][ends], rows.value[order][ends]
        order = np.lexsort((number, moment[ends], np.abs(value), place[ends]))
        highest = order[np.flatnonzero(np.diff(place[ends][order], append=-1))]
        at = place[ends][highest] - self.offset
        self.value[at], self.last[at] = value[highest], moment[ends][highest]

    def rows(self) -> Iterator[tuple[int, int, int, float | None, int]]:
        """Place, count, moment of the newest, aggregate and unit of all that have points."""
        import numpy as np

        some = np.flatnonzero(self.last >= 0)
        for place, count, last, value, unit in zip(
            (some + self.offset).tolist(), self.count[some].tolist(), self.last[some].tolist(),
            self.value[some].tolist(), self.unit[some].tolist(), strict=True,
        ):  # fmt: skip
            yield place, count, last, value if value == value else None, unit

    def _asked(self, codes: Sequence[int]) -> asking.Asked:
        """The points of the queries with these aggregations."""
        import numpy as np

        wanted = np.zeros(len(CODES), dtype=bool)
        wanted[list(codes)] = True
        chosen: Any = np.flatnonzero(wanted[self.spread.code])
        rows = Rows.together([span.rows(chosen) for span in self.spans])
        of = self.spread
        return asking.Asked(of.place[rows.row], of.code[rows.row], of.stream[rows.row], *rows[1:])

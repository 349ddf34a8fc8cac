"""How a verdict reads: a sentence, figures, and a few of the rows that fail, with masked columns covered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.errors import MonitoringError
from monitoring_pipeline.quality import gx
from monitoring_pipeline.quality.expectation import ExpectationSpec
from monitoring_pipeline.quality.outcome import COVER
from monitoring_pipeline.quality.profile import plain

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Showing", "Told", "is_harmless"]

# What is observed of these says nothing of a single value.
_COUNTING = re.compile("count|proportion|type")
_MOST_EXAMPLES = 3
_MOST_COLUMNS = 20
_DRIVERS = ("psycopg", "pymysql", "sqlite3", "obstore")


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict in words and figures."""

    text: str
    share: float | None = None
    checked: int | None = None
    failed: int | None = None
    rows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Showing:
    """Which columns nobody may see values of, and how many rows that fail are kept."""

    masked: frozenset[str] = frozenset()
    sample_rows: int = 5

    def told(self, spec: ExpectationSpec, verdict: gx.Verdict, frame: DataFrame | None) -> Told:
        """What to say of a verdict; `frame` is what it was judged on."""
        if verdict.met is None:
            return Told(self._unseen(spec, verdict))
        result = verdict.result
        if result.get("element_count") is None:
            return Told(self._observed(spec, verdict), 1.0 if verdict.met else 0.0)
        failed = int(result.get("unexpected_count") or 0)
        checked = int(result["element_count"]) - int(result.get("missing_count") or 0)
        what = "rows" if len(spec.columns) != 1 else "values"
        share = max(0.0, 1 - failed / checked) if checked else None
        if failed == 0:
            return Told(f"all {checked:,} {what} pass", share, checked, failed)
        text = f"{failed:,} of {checked:,} {what} fail ({percent(failed / checked)}){self._examples(spec, result)}"
        return Told(text, share, checked, failed, self._rows(spec, result, frame))

    def _unseen(self, spec: ExpectationSpec, verdict: gx.Verdict) -> str:
        """Errors quote values, so what they say of masked columns stays unsaid."""
        if self._hides(spec) and not verdict.harmless:
            return "it could not be judged (why is not told, a column is masked)"
        return verdict.error

    def _hides(self, spec: ExpectationSpec) -> bool:
        return bool(self.masked) and (not spec.columns or not self.masked.isdisjoint(spec.columns))

    def _observed(self, spec: ExpectationSpec, verdict: gx.Verdict) -> str:
        if spec.of_shape:
            return "as expected" if verdict.met else _shape(spec, verdict.result)
        hidden = self._hides(spec) and not _COUNTING.search(spec.type)
        return f"found {COVER if hidden else _short(plain(verdict.result.get('observed_value')))}"

    def _examples(self, spec: ExpectationSpec, result: Mapping[str, Any]) -> str:
        found = [plain(value) for value in (result.get("partial_unexpected_list") or ())[:_MOST_EXAMPLES]]
        shown = [_short(value) or "''" for value in dict.fromkeys(map(str, found)) if value != "None"]
        if not shown or self._hides(spec):
            return ""
        return f": {', '.join(shown)}"

    def _rows(self, spec: ExpectationSpec, result: Mapping[str, Any], frame: DataFrame | None) -> tuple[Any, ...]:
        if self.sample_rows == 0:
            return ()
        if "rows" in result:
            # What a query of the suite's own calls its columns says nothing of where they come from.
            return () if self.masked else tuple(result["rows"])
        if frame is None:
            return ()
        found = _rows_with(frame, spec.columns, result.get("partial_unexpected_list") or (), self.sample_rows)
        return tuple({name: self._cell(name, value) for name, value in row.items()} for row in found)

    def _cell(self, name: str, value: Any) -> Any:
        return COVER if name in self.masked else plain(value)


def is_harmless(error: BaseException) -> bool:
    """Whether the words of an error, and of those behind it, hold no values of the data: what is not known to be so
    may quote the value it stumbled over, or the whole line."""
    import duckdb

    plain = (
        MonitoringError, OSError, ImportError, duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException,
        duckdb.IOException, duckdb.PermissionException, duckdb.NotImplementedException,
    )  # fmt: skip
    known = isinstance(error, plain) or (
        type(error).__module__.partition(".")[0] in _DRIVERS
        and not any(each.__name__ == "DataError" for each in type(error).__mro__)
    )
    return known and (error.__context__ is None or is_harmless(error.__context__))


def _rows_with(frame: DataFrame, columns: Sequence[str], values: Sequence[Any], limit: int) -> list[dict[str, Any]]:
    """Rows of the frame that have these unexpected values; the index of them is not asked for, it costs seconds."""
    try:
        mask = _mask(frame, columns, values)
        found = frame.loc[mask, list(frame.columns)[:_MOST_COLUMNS]].head(limit)
    except (TypeError, KeyError, ValueError):
        return []
    records: list[dict[str, Any]] = found.to_dict("records")
    return [{name: None if _is_missing(value) else value for name, value in record.items()} for record in records]


def _mask(frame: DataFrame, columns: Sequence[str], values: Sequence[Any]) -> Any:
    if len(columns) == 1:
        missing = any(_is_missing(value) for value in values)
        mask = frame[columns[0]].isin([value for value in values if not _is_missing(value)])
        return mask | frame[columns[0]].isna() if missing else mask
    keys = {tuple(value.values()) if isinstance(value, Mapping) else tuple(value) for value in values}
    return [row in keys for row in zip(*(frame[name] for name in columns), strict=True)]


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value) if not hasattr(value, "__len__") else False


def _shape(spec: ExpectationSpec, result: Mapping[str, Any]) -> str:
    if spec.type == "expect_column_to_exist":
        place = spec.arguments.get("column_index")
        return f"there is no column {spec.columns[0]!r}" + ("" if place is None else f" at place {place}")
    details = (result.get("details") or {}).get("mismatched") or {}
    parts = []
    for word, name in (("unexpected", "unexpected"), ("missing", "missing")):
        if isinstance(details, Mapping) and details.get(name):
            parts.append(f"{word} {', '.join(map(str, details[name]))}")
    observed = result.get("observed_value")
    return "; ".join(parts) or (f"found {_short(plain(observed))}" if observed is not None else "it is not so")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 100 else text[:99] + "…"


def percent(share: float) -> str:
    """A share of 1 in percent, never 0 % for what is there nor 100 % for what is not whole."""
    value = 100 * share
    if value >= 1:
        return f"{min(value, 99.9) if share < 1 else value:.3g} %"
    return f"{value:.1g} %"

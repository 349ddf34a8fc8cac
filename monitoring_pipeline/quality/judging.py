"""Judges expectations over a batch: Great Expectations on data frames, and the few that need none.

What cannot be judged is unknown and never "not met": a missing column, a wrong type, an argument that makes no
sense, and a table or column without a single value, which most expectations would call perfect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.errors import nearest
from monitoring_pipeline.quality import gx
from monitoring_pipeline.quality.column_types import is_of_type
from monitoring_pipeline.quality.expectation import ExpectationSpec
from monitoring_pipeline.quality.fetch import BATCH, LARGEST_EXACT, Batch, is_whole
from monitoring_pipeline.quality.outcome import Finding
from monitoring_pipeline.quality.showing import Showing, is_harmless
from monitoring_pipeline.quality.watch import Watch
from monitoring_pipeline.records import Severity

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["columns_needed", "judge", "titles"]

_TYPES = {
    "expect_column_values_to_be_of_type": "type_",
    "expect_column_type_to_be": "type_",
    "expect_column_values_to_be_in_type_list": "type_list",
}
_BETWEEN = re.compile(r"expect_column_(values|min|max)_to_be_between")
_LARGEST_SUM = 2.0**63
_NOT_INSTALLED = "Great Expectations is not installed: pip install 'monitoring-pipeline[analysis]'"
# Words, and what stands between backticks or quotes, as names with blanks do.
_MAYBE_NAMES = (r"\w+", "`([^`]+)`", '"([^"]+)"', "'([^']+)'")
_ABOUT_NULLS = re.compile(r"null|to_exist")


def columns_needed(expectations: Sequence[ExpectationSpec]) -> frozenset[str] | None:
    """The columns, by names and words that may be names, that judging these takes; None for all there are."""
    if any(each.type == gx.ROWS_BY_SQL or ":" in each.type for each in expectations):
        return None
    named = {name for each in expectations for name in each.columns}
    conditions = [str(each.arguments.get("row_condition", "")) for each in expectations]
    words = {word for text in conditions for form in _MAYBE_NAMES for word in re.findall(form, text)}
    return frozenset(named | words)


def titles(expectations: Iterable[ExpectationSpec]) -> list[str]:
    """What each is called within its suite; the second of the same title gets a number."""
    taken: dict[str, int] = {}
    found = []
    for each in expectations:
        taken[each.title] = taken.get(each.title, 0) + 1
        found.append(each.title if taken[each.title] == 1 else f"{each.title} {taken[each.title]}")
    return found


def judge(expectations: Sequence[ExpectationSpec], batch: Batch, showing: Showing, watch: Watch) -> list[Finding]:
    """One finding per expectation, in their order."""
    court = _Court(expectations, batch, showing, watch)
    with watch.on("judge"):
        court.judge_alone()
    court.judge_shapes()
    court.judge_values()
    with watch.on("judge"):
        return court.findings()


@dataclass(slots=True)
class _Case:
    """One expectation and what became of it."""

    spec: ExpectationSpec
    name: str
    verdict: gx.Verdict | None = None


class _Court:
    """Judges all expectations over one batch: each frame is made once, and only with what is needed of it."""

    def __init__(self, expectations: Sequence[ExpectationSpec], batch: Batch, showing: Showing, watch: Watch) -> None:
        self._batch, self._showing, self._watch = batch, showing, watch
        names = titles(expectations)
        self._cases = [_Case(spec, name) for spec, name in zip(expectations, names, strict=True)]
        self._frame: DataFrame | None = None

    def findings(self) -> list[Finding]:
        return [self._finding(case) for case in self._cases]

    def _finding(self, case: _Case) -> Finding:
        verdict, spec = case.verdict or gx.Verdict(None, "it was not judged"), case.spec
        told = self._showing.told(spec, verdict, self._frame)
        return Finding(
            name=case.name, type=spec.type, text=told.text, met=verdict.met, dimension=spec.about,
            severity=Severity(spec.severity), weight=spec.weight, share=told.share, columns=spec.columns,
            checked=told.checked, failed=told.failed, rows=told.rows,
        )  # fmt: skip

    def judge_alone(self) -> None:
        """What needs no frame: what cannot be judged at all, types, and SQL of the suite's own."""
        for case in self._cases:
            case.verdict = self._without_frame(case.spec)

    def _without_frame(self, spec: ExpectationSpec) -> gx.Verdict | None:
        if spec.of_shape or spec.of_count:
            return None
        if self._batch.examined == 0 and spec.type not in _TYPES:
            return _nothing("no data: the table is empty")
        missing = [name for name in spec.columns if name not in self._batch.types]
        if missing:
            hint = nearest(missing[0], self._batch.types)
            known = f"; did you mean {hint!r}?" if hint else ""
            return _nothing(f"there is no column {missing[0]!r}{known}")
        if spec.type in _TYPES:
            return self._of_type(spec)
        return self._by_sql(spec) if spec.type == gx.ROWS_BY_SQL else None

    def _of_type(self, spec: ExpectationSpec) -> gx.Verdict:
        wanted = spec.arguments.get(_TYPES[spec.type])
        column = spec.columns[0]
        names = (self._batch.schema[column], self._batch.types[column])
        allowed = [str(each) for each in wanted] if isinstance(wanted, (list, tuple)) else [str(wanted)]
        return gx.Verdict(any(is_of_type(each, *names) for each in allowed), result={"observed_value": names[0]})

    def _by_sql(self, spec: ExpectationSpec) -> gx.Verdict:
        import duckdb

        query = str(spec.arguments["unexpected_rows_query"]).strip().rstrip(";").replace("{batch}", BATCH)
        try:
            count, rows = self._batch.ask(query, self._showing.sample_rows)
        except duckdb.Error as error:
            return gx.Verdict(None, str(error).strip().partition("\n")[0], harmless=is_harmless(error))
        figures = {"element_count": self._batch.examined, "unexpected_count": count, "rows": rows}
        return gx.Verdict(count == 0, result=figures)

    def judge_shapes(self) -> None:
        """What is about the number of rows, or about which columns there are: no row is fetched for it."""
        open_cases = [case for case in self._cases if case.verdict is None]
        if not open_cases or not self._enter_library(open_cases):
            return
        import pandas as pd

        counts = pd.DataFrame(index=pd.RangeIndex(self._batch.rows))
        self._hear([case for case in open_cases if case.spec.of_count], counts)
        shapes = pd.DataFrame(columns=list(self._batch.schema))
        self._hear([case for case in open_cases if case.spec.of_shape], shapes)

    def judge_values(self) -> None:
        """All others, on the columns that they name."""
        cases = [case for case in self._cases if case.verdict is None]
        if not cases:
            return
        wanted = columns_needed([case.spec for case in cases])
        with self._watch.on("fetch"):
            there = self._batch.types
            self._frame = frame = self._batch.frame([name for name in there if wanted is None or name in wanted])
        with self._watch.on("judge"):
            empty = {name for name in frame.columns if frame[name].isna().all()}
        for case in cases:
            nothing = [name for name in case.spec.columns if name in empty]
            if nothing and not _ABOUT_NULLS.search(case.spec.type):
                case.verdict = _nothing(f"no data: column {nothing[0]} has no value at all")
        for case in cases:
            if case.verdict is None and _BETWEEN.fullmatch(case.spec.type):
                case.verdict = self._without_order(case.spec, frame)
            elif case.verdict is None and case.spec.type == "expect_column_sum_to_be_between":
                case.verdict = _too_much(case.spec, frame)
        self._hear([case for case in cases if case.verdict is None], frame)

    def _without_order(self, spec: ExpectationSpec, frame: DataFrame) -> gx.Verdict | None:
        """What the library cannot compare: texts with any bound, the largest whole numbers with their neighbours."""
        name = spec.columns[0]
        if self._batch.types[name] == "VARCHAR":
            return _nothing(
                f"column {name!r} holds texts, and bounds are of numbers and moments: a `query` may cast it"
            )
        return _too_close(spec, frame) if is_whole(self._batch.types[name]) else None

    def _enter_library(self, cases: Sequence[_Case]) -> bool:
        """Whether what judges these is there; else they are unknown and the rest goes on."""
        try:
            with self._watch.on("start"):
                gx.warm_up()
        except ImportError:
            for case in cases:
                case.verdict = _nothing(_NOT_INSTALLED)
            return False
        return True

    def _hear(self, cases: Sequence[_Case], frame: DataFrame) -> None:
        with self._watch.on("judge"):
            verdicts = gx.validate(frame, [case.spec for case in cases]) if cases else []
        for case, verdict in zip(cases, verdicts, strict=True):
            case.verdict = _with_data(case.spec, verdict)


def _nothing(why: str) -> gx.Verdict:
    return gx.Verdict(None, why, harmless=True)


def _too_close(spec: ExpectationSpec, frame: DataFrame) -> gx.Verdict | None:
    """The library makes floats of bounds: a whole number that is the same float, and another number, defies it."""
    values = frame[spec.columns[0]]
    bounds = [spec.arguments.get(name) for name in ("min_value", "max_value")]
    for bound in (each for each in bounds if isinstance(each, int) and abs(each) >= LARGEST_EXACT):
        if ((values.astype("float64") == float(bound)) & (values != bound)).any():
            return _nothing(f"{bound:,} cannot be told from the numbers next to it here; judge them by SQL")
    return None


def _too_much(spec: ExpectationSpec, frame: DataFrame) -> gx.Verdict | None:
    """Sums of whole numbers that do not fit into 64 bits wrap around."""
    values = frame[spec.columns[0]]
    if values.dtype.kind in "iu" and values.abs().astype("float64").sum() >= _LARGEST_SUM:
        return _nothing("the sum does not fit into 64 bits; judge it by SQL")
    return None


def _with_data(spec: ExpectationSpec, verdict: gx.Verdict) -> gx.Verdict:
    """The verdict, unless there was nothing to base it on: a condition that no row fulfils, say."""
    looked, missing = verdict.result.get("element_count"), verdict.result.get("missing_count", 0)
    if verdict.met is not None and looked is not None and looked - (missing or 0) <= 0:
        return _nothing("no data: there was no value to look at")
    value: Any = verdict.result.get("observed_value", 0)
    # Of many distinct values none are told, which is no reason to doubt the verdict.
    if verdict.met is not None and "distinct" not in spec.type and (value is None or value != value):
        return _nothing("no data: there was no value to compute it of")
    return verdict

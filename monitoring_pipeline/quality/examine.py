"""One look at the data of a suite, in the process made for it: fetch, profile, judge, ask the validator."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.quality import validator
from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.fetch import BATCH, Batch, Wanted, batch_of
from monitoring_pipeline.quality.judging import columns_needed, judge
from monitoring_pipeline.quality.outcome import Examination, Finding, Profile
from monitoring_pipeline.quality.profile import profile_of
from monitoring_pipeline.quality.showing import Showing, is_harmless
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.quality.watch import Watch
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Severity

__all__ = ["Order", "examine"]

_AHEAD = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Order:
    """A suite to examine at a moment, within these networks."""

    suite: SuiteSpec
    now: datetime
    networks: NetworksSpec = field(default_factory=NetworksSpec)


def examine(order: Order) -> Examination:
    """What the suite finds. Never raises: what could not be found out is the examination's `problem`."""
    sys.path[:0] = [str(folder) for folder in order.suite.path if str(folder) not in sys.path]
    found = Examination()
    if order.suite.table is not None:
        found = _guarded(order, found, _of_table)
    if order.suite.validator is not None:
        found = _guarded(order, found, _of_validator)
    return found


def _guarded(order: Order, found: Examination, look: Callable[[Order, Examination], Examination]) -> Examination:
    try:
        return look(order, found)
    except Exception as error:
        problem = "; ".join(part for part in (found.problem, _words(error, order.suite)) if part)
        return replace(found, problem=problem)


def _words(error: Exception, suite: SuiteSpec) -> str:
    """What an error says; where columns are masked only when it cannot have quoted the data."""
    if suite.masked and not is_harmless(error):
        return f"it could not be looked at: {type(error).__name__} (its words are not told, a column is masked)"
    told = str(error).partition("\nLINE ")[0]  # DuckDB repeats the query, which is not the user's
    return " ".join(told.split())[:500] or type(error).__name__


def _of_table(order: Order, found: Examination) -> Examination:
    suite, watch, cpu = order.suite, Watch(), time.process_time()
    assert suite.table is not None  # noqa: S101 - the caller looked
    with ExitStack() as stack:
        stack.enter_context(watch.on("total"))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="busta-quality-"))
        with watch.on("open"):
            batch = stack.enter_context(batch_of(suite.table, _wanted(order), Path(folder)))
        with watch.on("profile"):
            profile = _profile(suite, batch)
        findings = judge(suite.expectations, batch, Showing(suite.masked_of(batch.types), suite.sample_rows), watch)
    watch.seconds["cpu"] = round(time.process_time() - cpu, 4)
    always = [_enough_rows(suite, batch), *_fresh_enough(suite, profile, order.now)]
    return replace(
        found, findings=(*found.findings, *always, *findings), rows=batch.rows, examined=batch.examined,
        schema=_schema(suite, batch), profile=profile, seconds=watch.seconds,
    )  # fmt: skip


def _wanted(order: Order) -> Wanted:
    suite = order.suite
    wanted = columns_needed(suite.expectations)
    if suite.profile and not suite.columns:
        wanted = None
    if wanted is not None:
        wanted |= {*suite.columns, *filter(None, [suite.freshness_column])}
    return Wanted(wanted, suite.max_rows, suite.memory_mb, suite.timeout.total_seconds(), suite.freshness_column,
                  order.networks)  # fmt: skip


def _schema(suite: SuiteSpec, batch: Batch) -> Mapping[str, str]:
    return dict(batch.schema) if suite.drift else {}


def _profile(suite: SuiteSpec, batch: Batch) -> Profile | None:
    if not batch.types:
        return None
    if suite.freshness_column is not None and suite.freshness_column not in batch.types:
        raise CheckError(f"there is no freshness_column {suite.freshness_column!r}")
    wanted = [name for name in batch.types if not suite.columns or name in suite.columns] if suite.profile else []
    if not wanted and suite.freshness_column is None:
        return None
    types = {name: batch.types[name] for name in wanted}
    profile = profile_of(
        batch.connection, BATCH, types, masked=suite.masked_of(types), freshness_column=suite.freshness_column,
    )  # fmt: skip
    return replace(profile, rows=batch.examined, newest=batch.newest or profile.newest)


def _enough_rows(suite: SuiteSpec, batch: Batch) -> Finding:
    enough = batch.rows >= suite.min_rows
    text = f"{batch.rows:,} rows" if enough else f"{batch.rows:,} rows, at least {suite.min_rows:,} are expected"
    return Finding(
        "rows", "min_rows", text if batch.rows or enough else "no data: the table is empty", met=enough,
        # That there are rows says nothing of how complete they are; that there are none does.
        dimension=Dimension.COMPLETENESS, weight=0.0 if enough else 1.0,
        share=1.0 if enough else batch.rows / suite.min_rows,
    )  # fmt: skip


def _fresh_enough(suite: SuiteSpec, profile: Profile | None, now: datetime) -> Iterator[Finding]:
    if suite.max_age is None:
        return
    met, share, text = None, None, "no data: no row says how new it is"
    if profile is not None and profile.newest is not None:
        met, text = _age(now - profile.newest, suite.max_age)
        share = None if met is None else float(met)
    yield Finding(
        "freshness", "max_age", text, met=met, dimension=Dimension.TIMELINESS, severity=Severity.CRITICAL,
        share=share, columns=(suite.freshness_column or "",),
    )  # fmt: skip


def _age(age: timedelta, most: timedelta) -> tuple[bool | None, str]:
    """Whether the newest row is young enough. One of the future would be young for ever, so it says nothing."""
    words = format_duration(timedelta(seconds=round(abs(age.total_seconds()))))
    if age < -_AHEAD:
        return None, f"the newest row lies {words} in the future, so it does not tell how old the data are"
    met = age <= most
    return met, f"the newest row is {words} old" + ("" if met else f", {format_duration(most)} at most is expected")


def _of_validator(order: Order, found: Examination) -> Examination:
    suite = order.suite
    made = validator.load(suite.validator or "", suite.arguments)
    return validator.examined(found, made.validate(suite.source), frozenset(suite.masked))

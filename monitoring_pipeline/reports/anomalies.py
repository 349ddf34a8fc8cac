"""What was strange: alarms with their ends, flat lines, new levels and gaps, newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import anomalies as stored
from monitoring_pipeline.store import history
from monitoring_pipeline.store.anomalies import CONFIRMED, WITHDRAWN, StrangeRow
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.scores import Stretch, isolation_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Strange", "strange_document", "strange_things"]

_LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Strange:
    """One thing that was strange. `kind` is anomaly, flatline, level_shift or gap; only an anomaly has an end, None
    while it lasts. `value` and `score` are those of its strangest point, `low` to `high` was normal when it began.
    `confirmed` says of a level_shift whether it was one, seen with hindsight; None as long as nobody knows. `isolation`
    is what the isolation forest said afterwards, `combined` that and the score in one."""

    source: str
    check: str
    metric: str
    kind: str
    began: datetime
    ended: datetime | None
    severity: Severity
    text: str
    value: float | None
    score: float | None
    low: float | None
    high: float | None
    unit: str
    tags: Mapping[str, str]
    confirmed: bool | None = None
    isolation: float | None = None
    combined: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.kind == "anomaly" and self.ended is None


def strange_things(
    store: OperationalStore,
    published: Path,
    now: datetime,
    since: datetime,
    *,
    source: str | None = None,
    metric: str | None = None,
    isolation: bool = False,
) -> list[Strange]:
    """What was strange since then, newest first, of one source and metric or of all; with what an isolation forest
    says of it, if that is wanted. Raises StoreError."""
    # What began before may have gone on.
    tables = ("events",)
    with history.connect(store, published, now=now, since=since - _LONGEST, source=source, tables=tables) as connection:
        found = _joined(stored.strange_rows(connection))
        if isolation:
            found = _judged_apart(connection, found, now)
    return [
        each
        for each in sorted(found, key=lambda each: (each.began, each.source, each.metric), reverse=True)
        if (each.ended or each.began) >= since or each.is_open
        if metric is None or each.metric == metric
    ]


def _joined(rows: Sequence[StrangeRow]) -> list[Strange]:
    """Alarms with their ends, new levels with what became of them."""
    found: list[Strange] = []
    opened: dict[tuple[str, str, str], int] = {}
    shifted: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        series = (row.source, row.check, row.subject)
        place = opened.get(series)
        if row.kind == "anomaly_worse" and place is not None:
            found[place] = replace(found[place], severity=row.severity, text=row.text, **_peak(row))
        elif row.kind == "anomaly_end":
            if place is not None and found[place].began.isoformat() == row.detail["began"]:
                found[place] = replace(found[place], ended=row.at, severity=row.severity, **_peak(row))
                del opened[series]
        elif row.kind in (CONFIRMED, WITHDRAWN):
            place = shifted.get((*series, row.detail["began"]))
            if place is not None:
                text = f"{found[place].text}; {row.text.removeprefix(found[place].metric).strip()}"
                found[place] = replace(found[place], confirmed=row.kind == CONFIRMED, text=text)
        else:
            if row.kind == "anomaly":
                opened[series] = len(found)
            elif row.kind == "level_shift":
                shifted[*series, row.at.isoformat()] = len(found)
            found.append(_begun(row))
    return found


def _judged_apart(connection: DuckDBPyConnection, found: Sequence[Strange], now: datetime) -> list[Strange]:
    stretches = [
        Stretch(
            each.source, each.check, each.metric,
            json.dumps(dict(each.tags), ensure_ascii=False, separators=(",", ":")) if each.tags else "{}",
            each.began, each.ended or (now if each.is_open else each.began),
        )
        for each in found
    ]  # fmt: skip
    votes = isolation_of(connection, stretches)
    return [
        each if vote is None else replace(each, isolation=vote[0], combined=vote[1])
        for each, vote in zip(found, votes, strict=True)
    ]


def _peak(row: StrangeRow) -> dict[str, Any]:
    return {name: _number(row.detail, name) for name in ("value", "score")}


def _begun(row: StrangeRow) -> Strange:
    value, score, low, high = (_number(row.detail, name) for name in ("value", "score", "low", "high"))
    metric, kind = row.subject.partition(" {")[0], row.kind.removesuffix("_worse")
    return Strange(
        row.source, row.check, metric, kind, row.at, None, row.severity, row.text, value, score, low, high,
        str(row.detail.get("unit", "")), row.detail.get("tags", {}),
    )  # fmt: skip


def _number(detail: Mapping[str, Any], name: str) -> float | None:
    value = detail.get(name)
    return float(value) if isinstance(value, (int, float)) and value == value else None


def strange_document(strange: Strange) -> dict[str, Any]:
    """As JSON; keys are only ever added."""
    return {
        "source": strange.source, "check": strange.check, "metric": strange.metric, "kind": strange.kind,
        "began": strange.began, "ended": strange.ended, "open": strange.is_open, "severity": strange.severity.value,
        "text": strange.text, "value": strange.value, "score": strange.score, "expected_low": strange.low,
        "expected_high": strange.high, "unit": strange.unit, "tags": dict(strange.tags), "confirmed": strange.confirmed,
        "isolation": strange.isolation, "combined": strange.combined,
    }  # fmt: skip

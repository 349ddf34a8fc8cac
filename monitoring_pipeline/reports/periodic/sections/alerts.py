"""What alerted, how soon did somebody take it, how long did it last?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from monitoring_pipeline.records import Alert, AlertMode, Severity
from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import alerts as stored

__all__ = ["TITLE", "section"]

TITLE = "What alerted?"
_SHOWN = 12
_MOST = 20_000
_COLUMNS = (
    Column("fired", "moment"), Column("severity", "status"), Column("source"), Column("what"),
    Column("lasted", "seconds"), Column("taken after", "seconds"), Column("by"),
)  # fmt: skip


def section(material: Material) -> Section:
    """Alerts that fired in the period, and how those of the period before compare."""
    found = _fired(material, material.start, material.until)
    earlier = _fired(material, material.period.before().start, material.start)
    facts = _facts(found, earlier, material.until)
    if not found:
        return Section(TITLE, "Nothing alerted.", facts)
    longest = sorted(found, key=lambda alert: (-alert.severity.rank, -_lasted(alert, material.until)))
    rows = [_row(alert, material) for alert in longest[:_SHOWN]]
    tables = [Table("The worst and longest", _COLUMNS, rows, max(0, len(found) - _SHOWN)), _noisiest(found)]
    return Section(TITLE, _sentence(found), facts, tables)


def _fired(material: Material, since: datetime, until: datetime) -> list[Alert]:
    with material.store.read() as connection:
        found = stored.find_alerts(
            connection, sources=material.chosen, modes=(AlertMode.ACTIVE,), since=since, until=until, fired_only=True,
            limit=_MOST,
        )  # fmt: skip
    return [alert for alert in found if alert.fired is not None and since <= alert.fired < until]


def _facts(found: Sequence[Alert], earlier: Sequence[Alert], until: datetime) -> list[Fact]:
    return [
        Fact("alerts", len(found), "number", len(earlier), "bad" if found else "good"),
        Fact("critical", _critical(found), "number", _critical(earlier), "bad" if _critical(found) else "good"),
        Fact("mean time until somebody took it", _mean(map(_taken, found)), "seconds", _mean(map(_taken, earlier))),
        Fact("mean time until it was over", _mean(map(_over, found)), "seconds", _mean(map(_over, earlier))),
        Fact("still open at the end", sum(1 for a in found if a.resolved is None or a.resolved >= until), "number"),
    ]


def _critical(found: Sequence[Alert]) -> int:
    return sum(1 for alert in found if alert.severity == Severity.CRITICAL)


def _taken(alert: Alert) -> float | None:
    return (alert.acknowledged - alert.fired).total_seconds() if alert.acknowledged and alert.fired else None


def _over(alert: Alert) -> float | None:
    return (alert.resolved - alert.fired).total_seconds() if alert.resolved and alert.fired else None


def _lasted(alert: Alert, until: datetime) -> float:
    begun = alert.fired or alert.started
    return max(timedelta(0), (alert.resolved or until) - begun).total_seconds()


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _row(alert: Alert, material: Material) -> list[Any]:
    name = material.names.get(alert.source, alert.source)
    lasted = _lasted(alert, material.until)
    return [alert.fired, alert.severity.value, name, alert.summary, lasted, _taken(alert), alert.acknowledged_by]


def _noisiest(found: Sequence[Alert]) -> Table:
    counts = Counter(alert.rule for alert in found)
    seconds: Counter[str] = Counter()
    for alert in found:
        seconds[alert.rule] += int(_over(alert) or 0)
    rows = [[rule, count, seconds[rule] / count] for rule, count in counts.most_common(5)]
    columns = (Column("rule"), Column("alerts", "number"), Column("mean length", "seconds"))
    return Table("Rules that fired most", columns, rows, max(0, len(counts) - 5))


def _sentence(found: Sequence[Alert]) -> str:
    by_source = Counter(alert.source for alert in found)
    source, count = by_source.most_common(1)[0]
    flapping = sum(1 for alert in found if alert.flapping)
    tail = f" {flapping} of them came and went again and again." if flapping else ""
    return f"{len(found)} alerts of {len(by_source)} sources, most of {source} ({count}).{tail}"

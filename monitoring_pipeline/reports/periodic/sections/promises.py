"""Were promises kept? Objectives with their budgets, measured and corrected, and how reliable things were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from monitoring_pipeline.analysis.sla.reliability import Reliability, pooled
from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.reports.sla import ReliabilityView, subject_name

__all__ = ["TITLE", "section"]

TITLE = "Were promises kept?"
_SHOWN = 25
_COLUMNS = (
    Column("objective"), Column("about"), Column("in"), Column("kept"), Column("attained", "percent"),
    Column("at least", "percent"), Column("as measured", "percent"), Column("target", "percent"),
    Column("budget left", "percent"), Column("known", "percent"),
)  # fmt: skip


def section(material: Material) -> Section:
    """Of each objective the window that holds the last moment of the period. Broken promises first."""
    facts = _reliability(material)
    moment = material.until - timedelta(microseconds=1)
    mine = [*material.standings(moment, material.chosen)]
    if not mine:
        return Section(TITLE, "Nothing was promised about this.", facts)
    mine.sort(key=lambda each: (each.kept is not False, each.budget.left_share or 0.0))
    rows = [_row(each) for each in mine]
    return Section(TITLE, _sentence(mine), facts, [Table("", _COLUMNS, rows[:_SHOWN], max(0, len(rows) - _SHOWN))])


def _reliability(material: Material) -> list[Fact]:
    now = _pooled(material, material.failing)
    then = _pooled(material, material.reliability(material.period.before().start, material.start, material.chosen))
    named = (
        ("time between failures (MTBF)", "mtbf_us"), ("time to recover (MTTR)", "mttr_us"),
        ("time to notice (MTTD)", "mttd_us"), ("time to take it (MTTA)", "mtta_us"),
    )  # fmt: skip
    figures = [Fact("failures", now.failures, "number", then.failures)]
    return figures + [Fact(name, _s(getattr(now, key)), "seconds", _s(getattr(then, key))) for name, key in named]


def _pooled(material: Material, view: ReliabilityView) -> Reliability:
    return pooled([view.sources[source] for source in material.ids if source in view.sources])


def _row(each: Standing) -> list[Any]:
    account, measured = each.pair.corrected, each.pair.measured
    kept = "unknown" if each.kept is None else "yes" if each.kept else "no"
    return [
        each.promise.objective, subject_name(each.promise), each.period.name, kept, _percent(account.attained),
        _percent(account.at_least), _percent(measured.attained), each.promise.spec.target,
        _percent(each.budget.left_share), _percent(account.coverage),
    ]  # fmt: skip


def _sentence(mine: list[Standing]) -> str:
    broken = [each.promise.objective for each in mine if each.kept is False]
    if broken:
        return f"{len(broken)} of {len(mine)} promises are broken: {', '.join(dict.fromkeys(broken))}."
    unclear = sum(1 for each in mine if each.kept is None)
    if unclear:
        return f"No promise is broken; of {unclear} of {len(mine)} too little is known to say that they were kept."
    return f"All {len(mine)} promises are kept." if len(mine) > 1 else "The promise is kept."


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _s(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6

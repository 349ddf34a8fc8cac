"""Risks between 0 and 100, why, and what could be done: every recommendation names its evidence.

A source's risk is the chance that it fails within a day: as predicted, or because something reaches its limit.
The system's risk is the fourth-power mean of the sources' risks, weighted by how much each matters: one
critical source that is sure to fail cannot hide among a thousand that are well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitoring_pipeline.analysis.capacity import Reach, ReachState
from monitoring_pipeline.analysis.patterns.pattern import Pattern, PatternKind
from monitoring_pipeline.analysis.prediction.features import base_chance, features
from monitoring_pipeline.analysis.prediction.fleet import Fleet
from monitoring_pipeline.analysis.prediction.model import Model, predict
from monitoring_pipeline.analysis.series import Floats, SeriesKey

__all__ = ["Action", "Evidence", "Risk", "SystemRisk", "assess", "system_risk"]

_DAY_H, _WEEK_H, _WEEKS_H = 24, 168, 672
_POWER = 4
_ELEVATED, _MOST_REASONS = 1.5, 5


@dataclass(frozen=True, slots=True)
class Action:
    """What could be done, and the evidence for it."""

    text: str
    because: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside the fleet: when limits are reached, and patterns, by source."""

    reaches: Mapping[str, Sequence[Reach]]
    patterns: Mapping[str, Sequence[Pattern]]


@dataclass(frozen=True, slots=True)
class Risk:
    """One source: `chance_1h` and `chance_24h` (0-1; None while it has failed already or nothing is known of it),
    what its own past rate makes of a day (`usual_24h`), its `risk` (0-100), why, and what could be done."""

    source: str
    at: datetime
    status: str
    risk: float | None
    chance_1h: float | None
    chance_24h: float | None
    usual_24h: float
    reasons: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemRisk:
    """The system: its `risk` (0-100; None while no source has one) and the sources that make most of it."""

    at: datetime
    risk: float | None
    top: tuple[str, ...]


def assess(fleet: Fleet, hour: Model, day: Model, evidence: Evidence, metrics: Sequence[SeriesKey] = ()) -> list[Risk]:
    """The risk of every source at the end of the fleet's last hour. `metrics` are the rows of its strangeness."""
    chance_1h, chance_24h = predict(hour, fleet)[:, 0], predict(day, fleet)[:, 0]
    usual = base_chance(fleet, day.horizon)[:, -1]
    x = features(fleet, day.horizon)[:, -1]
    found = []
    for row, source in enumerate(fleet.sources):
        reaches, patterns = evidence.reaches.get(source, ()), evidence.patterns.get(source, ())
        one, many = _known(chance_1h[row]), _known(chance_24h[row])
        status = _status(fleet, row)
        reasons = [*_reasons(fleet, day, x, row, metrics), *_limits(reaches)]
        found.append(Risk(
            source, fleet.end, status, _risk(status, many, reaches), one if status != "unknown" else None,
            many if status != "unknown" else None, float(usual[row]), tuple(reasons[:_MOST_REASONS]),
            tuple(_actions(fleet, row, patterns, reaches, many, float(usual[row]), metrics)),
        ))  # fmt: skip
    return found


def system_risk(risks: Sequence[Risk], weights: Mapping[str, float], at: datetime) -> SystemRisk:
    """The risk of all together; `weights` says how much each source matters."""
    known = [(each.risk, weights.get(each.source, 1.0), each.source) for each in risks if each.risk is not None]
    if not known:
        return SystemRisk(at, None, ())
    total = sum(weight for _, weight, _ in known)
    shares = [(weight * (risk / 100) ** _POWER, source) for risk, weight, source in known]
    top = tuple(source for share, source in sorted(shares, reverse=True)[:5] if share > 0)
    return SystemRisk(at, 100 * (sum(share for share, _ in shares) / total) ** (1 / _POWER), top)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _status(fleet: Fleet, row: int) -> str:
    for name in ("critical", "warning", "unknown"):
        if getattr(fleet, name)[row, -1] > 0:
            return name
    return "healthy"


def _risk(status: str, chance: float | None, reaches: Sequence[Reach]) -> float | None:
    if status == "critical":
        return 100.0
    if status == "unknown" or chance is None:
        return None
    well = 1 - chance
    for reach in reaches:
        well *= 1 - (reach.within(_DAY_H) if reach.state is not ReachState.BEYOND else 0.5)
    return 100 * (1 - well)


# -- why ---------------------------------------------------------------------------------------------


def _reasons(fleet: Fleet, day: Model, x: Floats, row: int, metrics: Sequence[SeriesKey]) -> list[str]:
    """What speaks for a failure, in sentences; features that tell the same come once."""
    found: list[str] = []
    signs = [name for name, _ in day.signs(x[row])] if day.used else ["own rate"]
    for name in signs:
        words = _WORDS.get(name)
        text = words(fleet, row, metrics) if words is not None else ""
        if text and text not in found:
            found.append(text)
    return found


def _failed(hours: int) -> Callable[[Fleet, int, Sequence[SeriesKey]], str]:
    def words(fleet: Fleet, row: int, _: Sequence[SeriesKey]) -> str:
        count = int(fleet.onsets[row, -hours:].sum())
        times = "once" if count == 1 else f"{count} times"
        span = "28 days" if hours == _WEEKS_H else "7 days" if hours == _WEEK_H else f"{hours} h"
        return f"failed {times} in the last {span}" if count else ""

    return words


def _strange(fleet: Fleet, row: int, metrics: Sequence[SeriesKey]) -> str:
    z, place = float(fleet.strange[row, -1]), int(fleet.metric[row, -1])
    if not 0 <= place < len(metrics) or abs(z) < _ELEVATED:
        return ""
    return f"{metrics[place].metric} is {abs(z):.1f} sigma {'above' if z > 0 else 'below'} its normal"


def _upstream(fleet: Fleet, row: int, _: Sequence[SeriesKey]) -> str:
    down = [fleet.sources[above] for above in fleet.upstream[row] if fleet.critical[above, -1] > 0]
    recent = [fleet.sources[above] for above in fleet.upstream[row] if fleet.onsets[above, -6:].sum() > 0]
    if down:
        return f"{', '.join(down[:3])} is critical, which it follows"
    return f"{', '.join(recent[:3])} failed lately, which it follows" if recent else ""


_WORDS: Mapping[str, Callable[[Fleet, int, Sequence[SeriesKey]], str]] = {
    "own rate": _failed(_WEEKS_H), "failed lately": _failed(6), "failed within a day": _failed(24),
    "failed within a week": _failed(_WEEK_H), "fails in bursts": _failed(24),
    "this time of day": lambda *_: "it failed at this time of the day before",
    "time of week": lambda *_: "it failed at this time of the week before",
    "warning": lambda fleet, row, _: "it is in warning" if fleet.warning[row, -1] else "",
    "warning for long": lambda fleet, row, _: "it was in warning lately" if fleet.warning[row, -6:].any() else "",
    "strange": _strange, "very strange": _strange, "stranger than before": _strange,
    "upstream is critical": _upstream, "upstream failed lately": _upstream,
}  # fmt: skip


def _limits(reaches: Sequence[Reach]) -> list[str]:
    soon = [reach for reach in reaches if reach.within(_DAY_H) >= 0.05]
    return [f"{reach.key.metric} may reach {reach.limit.value:g} within a day" for reach in soon]


# -- what could be done ------------------------------------------------------------------------------


def _actions(
    fleet: Fleet,
    row: int,
    patterns: Sequence[Pattern],
    reaches: Sequence[Reach],
    chance: float | None,
    usual: float,
    metrics: Sequence[SeriesKey],
) -> list[Action]:
    """The table of recommendations: each row needs its own evidence, and without any there is none."""
    found = [action for reach in reaches if (action := _make_room(reach)) is not None]
    found += [action for pattern in patterns if (action := _BY_PATTERN[pattern.kind](pattern)) is not None]
    strange = _strange(fleet, row, metrics)
    if strange and chance is not None and chance > _ELEVATED * usual:
        because = f"{strange}; the chance of a failure within a day is {chance:.0%} instead of {usual:.0%}"
        found.append(Action(f"look at {metrics[int(fleet.metric[row, -1])].metric} before it fails", because))
    upstream = _upstream(fleet, row, metrics)
    if upstream and "critical" in upstream:
        found.append(Action("repair what it follows first", upstream))
    return found


def _make_room(reach: Reach) -> Action | None:
    metric, limit = reach.key.metric, f"{reach.limit.value:g}{reach.key.unit if reach.key.unit == '%' else ''}"
    if reach.state is ReachState.BEYOND:
        return Action(f"make room: {metric} is beyond its limit", f"{metric} is at {reach.now:.4g}, limit {limit}")
    if reach.likely is None or reach.likely > _WEEK_H:
        return None
    days = f"{reach.likely / 24:.0f} days" if reach.likely >= 2 * _DAY_H else f"{reach.likely:.0f} hours"
    because = f"{metric} moves by {reach.per_day:+.3g} a day and reaches {limit} in about {days}"
    return Action(f"make room, or slow down what fills {metric}", because)


def _by_the_clock(pattern: Pattern) -> Action | None:
    when = str(pattern.detail.get("when", "then"))
    return Action(f"look for what runs {when}: a job, a backup, a rotation; move it or give it room", pattern.text)


def _cause_first(pattern: Pattern) -> Action | None:
    if float(pattern.detail.get("lag_s", 0)) > 60:
        return Action(f"watch {pattern.other} first, and let its checks depend on it", pattern.text)
    return Action(f"look for what {pattern.other} and this source share", pattern.text)


def _calm_down(pattern: Pattern) -> Action | None:
    return Action("look at that burst: retries or flapping make one cause look like many failures", pattern.text)


def _early_sign(pattern: Pattern) -> Action | None:
    return Action(f"alert on {pattern.other} as an early sign", pattern.text)


_BY_PATTERN: Mapping[PatternKind, Callable[[Pattern], Action | None]] = {
    PatternKind.PERIODIC: _by_the_clock, PatternKind.TOGETHER: _cause_first, PatternKind.BURST: _calm_down,
    PatternKind.PRECURSOR: _early_sign,
}  # fmt: skip

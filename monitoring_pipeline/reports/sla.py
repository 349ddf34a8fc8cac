"""How promises stand and how reliable things are, for every surface: views, and the JSON made of them.

Both figures are always told: what was measured, and what it is after the corrections of the ledger.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring_pipeline.analysis.objective import ObjectiveSpec, Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.budget import BURN_WINDOWS
from monitoring_pipeline.analysis.sla.evidence import gather
from monitoring_pipeline.analysis.sla.reliability import Answered, Reliability, pooled, reliability
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.store.ledger import document as entry_document
from monitoring_pipeline.store.sla import alerts_about

__all__ = [
    "ReliabilityView",
    "account_document",
    "entry_document",
    "forecast_sentence",
    "percent_text",
    "reliability_document",
    "reliability_view",
    "standing_document",
    "subject_name",
]

_SECOND = 1_000_000
_MEASURING = ObjectiveSpec(kind="uptime", source=("*",), target=99.0, exclude_maintenance=True)


@dataclass(frozen=True, slots=True)
class ReliabilityView:
    """MTBF, MTTR, MTTD and MTTA of a stretch of time: per source, per component, and of the whole system."""

    start: datetime
    end: datetime
    sources: Mapping[str, Reliability]
    components: Mapping[str, Reliability]
    system: Reliability


def reliability_view(
    room: Room, start: datetime, end: datetime, now: datetime, sources: Collection[str] | None = None
) -> ReliabilityView:
    """Of all sources or some in [start, end), after corrections; announced maintenance is left out."""
    chosen = [source for source in room.sources if sources is None or source.id in sources]
    promises = [Promise("", _MEASURING, "source", source.id, (source.id,)) for source in chosen]
    with room.history(now, ("status_changes", "gaps")) as connection:
        evidence = gather(connection, room.surroundings(now), promises, start, end, exact=False)
    with room.store.read() as operational:
        alerts = alerts_about(operational, [source.id for source in chosen], start, end)
    found = {
        promise.subject: reliability(
            evidence.timelines(promise).corrected, [Answered(*each) for each in alerts.get(promise.subject, ())]
        )
        for promise in promises
    }
    members: dict[str, list[Reliability]] = defaultdict(list)
    for source in chosen:
        members[source.component].append(found[source.id])
    components = {component: pooled(parts) for component, parts in members.items()}
    return ReliabilityView(start, end, found, components, pooled(found.values()))


def subject_name(promise: Promise) -> str:
    """What a promise is about, in words."""
    if promise.scope == "source":
        return promise.subject
    return f"component {promise.subject}" if promise.scope == "component" else f"{len(promise.sources)} sources"


def forecast_sentence(standing: Standing, moment: str) -> str:
    """What becomes of the budget; `moment` is how the surface writes `exhausted_at`, empty where there is none."""
    period = standing.period
    name = f"of {period.name}" if not period.rolling else period.name.replace("the last", "of the last")
    if standing.account.known == 0:
        return "nothing is known yet"
    if standing.budget.left <= 0:
        return f"the budget {name} is used up"
    if standing.period.end <= standing.until and not period.rolling:
        return f"the budget {name} was kept"
    if standing.pace is None:
        return "too little is known of the last three days to say how long the budget lasts"
    if not moment:
        return f"the budget {name} lasts"
    return f"at the rate of the last {format_duration(standing.pace)} the budget {name} is gone on {moment}"


def percent_text(share: float | None) -> str:
    """A share for people, rounded down: 99.9996 % is not 100 %, and a promise that was missed does not look kept."""
    if share is None:
        return "unknown"
    # What a decimal fraction loses in binary must not cost it its last digit.
    return "100 %" if share >= 1 else f"{math.floor(share * 100_000 + 1e-7) / 1000:.3f} %"


# -- documents ---------------------------------------------------------------------------------------


def account_document(account: Account, *, events: bool) -> dict[str, Any]:
    """Seconds, or numbers of checks, and the shares that follow in percent."""
    sums = {name: getattr(account, name) for name in ("good", "bad", "unknown", "excluded")}
    return {
        **{name: value if events else value / _SECOND for name, value in sums.items()},
        "attained": _percent(account.attained),
        "at_least": _percent(account.at_least),
        "coverage": _percent(account.coverage),
    }


def standing_document(standing: Standing) -> dict[str, Any]:
    """One promise in one period. Time is in seconds; `unit` says whether checks are counted instead."""
    promise, pair, budget = standing.promise, standing.pair, standing.budget
    spec, events = promise.spec, promise.spec.counts_events
    scale = 1 if events else _SECOND
    return {
        "objective": promise.objective,
        "kind": spec.kind,
        "description": spec.description,
        "scope": promise.scope,
        "subject": promise.subject,
        "sources": list(promise.sources),
        "target": spec.target,
        "unit": "checks" if events else "seconds",
        "period": {
            "name": standing.period.name, "start": standing.period.start, "end": standing.period.end,
            "rolling": standing.period.rolling, "until": standing.until,
        },
        "kept": standing.kept,
        "kept_as_measured": standing.kept_as_measured,
        "corrected": account_document(pair.corrected, events=events),
        "measured": account_document(pair.measured, events=events),
        "budget": {
            "allowed": budget.allowed / scale, "used": budget.used / scale, "left": budget.left / scale,
            "left_percent": _percent(budget.left_share),
        },
        "burn": {format_duration(window): _rounded(standing.burn_rate(window)) for window in BURN_WINDOWS},
        "exhausted_at": standing.exhausted_at,
        "pace": None if standing.pace is None else format_duration(standing.pace),
        "corrections": [entry.number for entry in standing.entries],
    }  # fmt: skip


def reliability_document(view: ReliabilityView) -> dict[str, Any]:
    """The figures in seconds; null where nothing failed, or nobody noticed or acknowledged."""
    return {
        "start": view.start,
        "end": view.end,
        "system": _figures(view.system),
        "components": [{"id": name, **_figures(found)} for name, found in view.components.items()],
        "sources": [{"id": name, **_figures(found)} for name, found in view.sources.items()],
    }


def _figures(found: Reliability) -> dict[str, Any]:
    means: Sequence[tuple[str, float | None]] = (
        ("mtbf_s", found.mtbf_us), ("mttr_s", found.mttr_us), ("mttd_s", found.mttd_us), ("mtta_s", found.mtta_us),
    )  # fmt: skip
    return {
        "failures": found.failures, "ended": found.ended, "hazy": found.hazy, "detected": found.detected,
        "acknowledged": found.acknowledged,
        **{name: None if mean is None else mean / _SECOND for name, mean in means},
    }  # fmt: skip


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)

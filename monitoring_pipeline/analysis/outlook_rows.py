"""Results of `outlook` as rows of the warehouse, as samples that rules see, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from monitoring_pipeline.analysis.capacity import Limit, Reach, ReachState
from monitoring_pipeline.analysis.forecast import Forecast
from monitoring_pipeline.analysis.outlook import HORIZONS, Daily, Hourly
from monitoring_pipeline.analysis.patterns.pattern import Pattern, PatternKind
from monitoring_pipeline.analysis.prediction.features import FEATURES
from monitoring_pipeline.analysis.prediction.model import Model
from monitoring_pipeline.analysis.sentences import reach_in_words
from monitoring_pipeline.analysis.series import Grid, SeriesKey
from monitoring_pipeline.analysis.trends import Direction, Trend
from monitoring_pipeline.records import Sample

__all__ = [
    "SYSTEM",
    "daily_rows",
    "daily_samples",
    "hourly_rows",
    "hourly_samples",
    "pattern_of",
    "reach_of",
    "reach_row",
    "trend_row",
]

SYSTEM = "monitoring"
"""The source that samples about everything together belong to: monitoring itself."""

Rows = dict[str, list[dict[str, Any]]]
_DAYS_OF_A_WEEK = 7


def daily_rows(found: Daily) -> Rows:
    """By table. What is still learning is left out."""
    return {
        "trends": [trend_row(each) for each in found.trends if each.direction is not Direction.LEARNING],
        "forecasts": [row for each in found.forecasts if not each.learning for row in _forecast_rows(each)],
        "patterns": [_pattern_row(each) for each in found.patterns],
        "performance": [
            {"component": each.component, "score": each.score, "measured": [asdict(part) for part in each.measured],
             "recommendations": list(each.recommendations)}
            for each in found.performance
        ],
    }  # fmt: skip


def hourly_rows(found: Hourly) -> Rows:
    """By table; the system's risk is that of the source ``."""
    risks = [
        {"source": each.source, "status": each.status, "risk": each.risk, "chance_1h": each.chance_1h,
         "chance_24h": each.chance_24h, "usual_24h": each.usual_24h, "reasons": list(each.reasons),
         "actions": [asdict(action) for action in each.actions]}
        for each in found.risks
    ]  # fmt: skip
    risks.append(
        {"source": "", "status": "", "risk": found.system.risk, "chance_1h": None, "chance_24h": None,
         "usual_24h": None, "reasons": list(found.system.top), "actions": []}
    )  # fmt: skip
    return {
        "capacity": [reach_row(each) for each in found.reaches if each.state is not ReachState.LEARNING],
        "risks": risks,
        "predictors": [_model_row(each) for each in found.models],
    }


def trend_row(trend: Trend) -> dict[str, Any]:
    """One trend as a row, and as a document."""
    return {
        **_series(trend.key), "since": trend.since, "until": trend.until, "direction": trend.direction.value,
        "strength": trend.strength, "slope_per_day": trend.slope_per_day, "change": trend.change,
        "change_percent": trend.change_percent, "level": trend.level, "volatility": trend.volatility,
        "season": trend.season, "p_value": trend.p_value, "points": trend.values,
    }  # fmt: skip


def reach_row(reach: Reach) -> dict[str, Any]:
    """One limit and when it is reached as a row, and as a document."""
    return {
        **_series(reach.key), "limit_value": reach.limit.value, "above": reach.limit.above, "why": reach.limit.why,
        "state": reach.state.value, "now": reach.now, "horizon_h": reach.horizon, "earliest_h": reach.earliest,
        "likely_h": reach.likely, "latest_h": reach.latest, "chance": reach.chance, "per_day": reach.per_day,
        "resets": reach.resets,
    }  # fmt: skip


def reach_of(row: Mapping[str, Any]) -> Reach:
    """The same out of a row that was read back."""
    key = SeriesKey(row["source"], row["metric"], row["check_id"], row["unit"], row["tags"])
    return Reach(
        key, Limit(row["limit_value"], row["above"], row["why"]), ReachState(row["state"]), row["now"],
        row["horizon_h"], row["earliest_h"], row["likely_h"], row["latest_h"], row["chance"], row["per_day"],
        row["resets"],
    )  # fmt: skip


def forecast_document(made: Forecast) -> dict[str, Any]:
    """One forecast as a document, step by step; without steps while it is learning."""
    steps = [] if made.learning else [
        {"at": at, "point": float(point), "low": float(low), "high": float(high)}
        for at, point, low, high in zip(made.times(), made.point, made.low, made.high, strict=True)
    ]  # fmt: skip
    return {
        **_series(made.key), "interval": made.level, "mase": made.mase, "weights": made.weights,
        "learning": made.learning, "steps": steps,
    }  # fmt: skip


def forecasts_document(grid: Grid, made: Sequence[Forecast], reaches: Sequence[Reach]) -> dict[str, Any]:
    """What was learnt from a grid, as a document."""
    return {
        "learnt_from": grid.start, "at": grid.end, "forecasts": [forecast_document(each) for each in made],
        "capacity": [{**reach_row(each), "text": reach_in_words(each)} for each in reaches],
    }  # fmt: skip


def pattern_of(row: Mapping[str, Any]) -> Pattern:
    """A pattern out of a row that was read back."""
    return Pattern(
        PatternKind(row["kind"]), row["source"], row["text"], row["p_value"], row["support"], row["total"],
        row["expected"], row["other"], row["q_value"], row["first"], row["last"],
        tuple(datetime.fromisoformat(each) for each in row["examples"]), row["detail"],
    )  # fmt: skip


def daily_samples(found: Daily, now: datetime) -> Iterator[Sample]:
    """`trend.METRIC`: percent of its level that it changes by in a week; 0 where there is no direction."""
    for trend in found.trends:
        if trend.direction is Direction.LEARNING or not trend.level:
            continue
        moving = trend.direction in (Direction.UPWARD, Direction.DOWNWARD)
        weekly = 100 * trend.slope_per_day * _DAYS_OF_A_WEEK / abs(trend.level) if moving else 0.0
        yield _sample(trend.key, f"trend.{trend.key.metric}", now, weekly, "%")


def hourly_samples(found: Hourly, now: datetime) -> Iterator[Sample]:
    """`forecast.hours_to_threshold.METRIC` (the whole horizon where it is not likely within it), `risk` per source,
    and `risk.system` of monitoring itself."""
    for reach in found.reaches:
        if reach.state is not ReachState.LEARNING:
            hours = reach.horizon if reach.likely is None else reach.likely
            yield _sample(reach.key, f"forecast.hours_to_threshold.{reach.key.metric}", now, hours, "h")
    for risk in found.risks:
        if risk.risk is not None:
            yield Sample(risk.source, "risk", now, risk.risk)
    if found.system.risk is not None:
        yield Sample(SYSTEM, "risk.system", now, found.system.risk)


def _sample(key: SeriesKey, metric: str, now: datetime, value: float, unit: str) -> Sample:
    return Sample(key.source, metric, now, value, unit, key.check, json.loads(key.tags or "{}"))


def _series(key: SeriesKey) -> dict[str, Any]:
    return {"source": key.source, "check_id": key.check, "metric": key.metric, "unit": key.unit, "tags": key.tags}


def _forecast_rows(made: Forecast) -> Iterator[dict[str, Any]]:
    for hours in HORIZONS:
        place = hours - 1
        yield {
            **_series(made.key), "start": made.start + place * made.step, "point": float(made.point[place]),
            "low": float(made.low[place]), "high": float(made.high[place]), "share": made.level, "mase": made.mase,
        }  # fmt: skip


def _pattern_row(pattern: Pattern) -> dict[str, Any]:
    return {
        "source": pattern.source, "kind": pattern.kind.value, "other": pattern.other, "text": pattern.text,
        "p_value": pattern.p_value, "q_value": pattern.q_value, "support": pattern.support, "total": pattern.total,
        "expected": pattern.expected, "first": pattern.first, "last": pattern.last,
        "examples": [each.isoformat() for each in pattern.examples], "detail": dict(pattern.detail),
    }  # fmt: skip


def _model_row(model: Model) -> dict[str, Any]:
    skill = model.skill
    weights = {name: round(float(weight), 4) for name, weight in zip(FEATURES, model.weights, strict=True)}
    return {
        "horizon_h": model.horizon, "used": model.used, "cases": skill.cases if skill else 0,
        "failures": skill.failures if skill else 0, "brier": skill.model if skill else None,
        "base_brier": skill.base if skill else None, "weights": weights if np.any(model.weights) else {},
        "calibration": [list(each) for each in skill.calibration] if skill else [],
    }  # fmt: skip

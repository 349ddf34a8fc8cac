"""The JSON that tells what history says about the coming days."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CapacityAnswer",
    "ForecastAnswer",
    "Forecasts",
    "PatternAnswer",
    "Patterns",
    "PerformanceAnswer",
    "Performances",
    "RiskAnswer",
    "Risks",
    "TrendAnswer",
    "Trends",
]

_AT = Field(description="the moment the results speak for (UTC); null before the first were computed")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _OfSeries(_Answer):
    source: str
    check_id: str = Field(description="the check that measures it")
    metric: str
    unit: str
    tags: str = Field(description="JSON")


class TrendAnswer(_OfSeries):
    """Where one series is heading."""

    since: datetime
    until: datetime
    direction: str = Field(description="upward, downward, stable or volatile")
    strength: float = Field(description="0 to 1: how much of what moves, beside its season, the line explains")
    slope_per_day: float = Field(description="in its unit")
    change_percent: float | None = Field(description="what the slope makes of the whole stretch, of its level")
    level: float
    volatility: float = Field(description="scatter around the line, as a share of the level")
    season: float = Field(description="0 to 1: how much a day or a week explains")
    p_value: float = Field(description="how likely chance alone does as much")
    points: int


class Trends(_Answer):
    """Trends of all series that have some, those that move first."""

    at: datetime | None = _AT
    trends: list[TrendAnswer]


class CapacityAnswer(_OfSeries):
    """When one series reaches its limit, in hours from `at`; null is beyond the horizon."""

    limit_value: float
    above: bool = Field(description="whether it must stay above the limit, as free space")
    why: str = Field(description="who set the limit")
    state: str = Field(description="reaches, may, not_within or beyond")
    text: str
    now: float | None
    horizon_h: float
    earliest_h: float | None = Field(description="one in ten futures is there before")
    likely_h: float | None
    latest_h: float | None = Field(description="nine in ten are there before")
    chance: float = Field(description="0 to 1, of getting there within the horizon")
    per_day: float
    resets: int = Field(description="how often it was emptied")


class ActionAnswer(_Answer):
    """What could be done, and the evidence for it."""

    text: str
    because: str


class RiskAnswer(_Answer):
    """How likely one source is to fail."""

    source: str
    status: str
    risk: float | None = Field(description="0 to 100; null while nothing is known")
    chance_1h: float | None = Field(description="0 to 1; null while it has failed already")
    chance_24h: float | None
    usual_24h: float | None = Field(description="what its own past rate makes of a day")
    reasons: list[str]
    actions: list[ActionAnswer]


class Risks(_Answer):
    """The system's risk, those of all sources, the greatest first, and when limits are reached."""

    at: datetime | None = _AT
    system: float | None = Field(description="0 to 100")
    top: list[str] = Field(description="the sources that make most of it")
    risks: list[RiskAnswer]
    capacity: list[CapacityAnswer]


class PatternAnswer(_Answer):
    """One pattern in failures that is more than chance."""

    source: str
    kind: str = Field(description="periodic, burst, together or precursor")
    other: str = Field(description="the second source, or the metric")
    text: str
    q_value: float = Field(description="the share of such findings that may be false")
    support: int
    total: int
    expected: float = Field(description="what chance would make of `support`")
    first: datetime | None
    last: datetime | None
    examples: list[datetime] = Field(description="failures to look at")
    detail: dict[str, Any]


class Patterns(_Answer):
    """What was found in the failures of four weeks."""

    at: datetime | None = _AT
    patterns: list[PatternAnswer]


class MeasuredAnswer(_Answer):
    """One aspect of a component's performance."""

    aspect: str
    baseline: float
    now: float
    ratio: float
    score: float
    unit: str
    series: int
    worst: str


class PerformanceAnswer(_Answer):
    """One component against its own baseline."""

    component: str
    score: float | None = Field(description="0 to 100; null while it learns")
    measured: list[MeasuredAnswer]
    recommendations: list[str]


class Performances(_Answer):
    """All components, by their names."""

    at: datetime | None = _AT
    performance: list[PerformanceAnswer]


class StepAnswer(_Answer):
    """One step of a forecast."""

    at: datetime
    point: float
    low: float
    high: float


class ForecastAnswer(_OfSeries):
    """What one series will be."""

    interval: float = Field(description="the share of values that lies between `low` and `high`")
    mase: float | None = Field(description="errors in the past relative to repeating yesterday")
    weights: dict[str, float] = Field(description="what it is made of")
    learning: bool = Field(description="too little history: there are no steps")
    steps: list[StepAnswer]


class Forecasts(_Answer):
    """Forecasts of one source's metrics, made now, and when their limits are reached."""

    at: datetime = Field(description="where they begin (UTC)")
    forecasts: list[ForecastAnswer]
    capacity: list[CapacityAnswer]

"""The JSON about promises and the ledger; keys as in `busta --json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.analysis.objective import ObjectiveKind, Scope
from monitoring_pipeline.records import Reclassified

__all__ = ["Checked", "Corrected", "Entries", "ReliabilityAnswer", "Standings"]

_AT = "2026-11-21T12:03:10.250000Z"
_SUMS = {"good": 1771100.0, "bad": 812.0, "unknown": 60.0, "excluded": 0.0, "attained": 99.954, "at_least": 99.951,
         "coverage": 99.997}  # fmt: skip
_STANDING: dict[str, Any] = {
    "objective": "shop-uptime", "kind": "uptime", "description": "", "scope": "source", "subject": "orders-api",
    "sources": ["orders-api"], "target": 99.9, "unit": "seconds",
    "period": {"name": "2026-11", "start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z", "rolling": False,
               "until": _AT},
    "kept": True, "kept_as_measured": True, "corrected": _SUMS, "measured": _SUMS,
    "budget": {"allowed": 2592.0, "used": 812.0, "left": 1780.0, "left_percent": 68.7},
    "burn": {"5m": 0.0, "30m": 0.0, "1h": 0.0, "6h": 0.0, "3d": 0.4}, "exhausted_at": None, "pace": "3d",
    "corrections": [],
}  # fmt: skip
_ENTRY: dict[str, Any] = {
    "number": 1, "at": _AT, "author": "ana", "source": "orders-api", "start": "2026-11-03T10:00:00Z",
    "end": "2026-11-03T11:30:00Z", "as": "monitor_offline", "objective": "", "reason": "the probe's network was down",
    "revokes": None, "previous": "", "hash": "4109bf55e0b1220568f0a041ba8049d775b39ff8c28ada1baaebcf9bd48955d7",
}  # fmt: skip


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]}, populate_by_name=True)


class _Period(BaseModel):
    name: str
    start: datetime
    end: datetime
    rolling: bool
    until: datetime


class _Account(BaseModel):
    good: float = Field(description="seconds, or checks")
    bad: float
    unknown: float
    excluded: float
    attained: float | None = Field(description="percent of what is known")
    at_least: float | None = Field(description="percent, had all that is unknown been bad")
    coverage: float | None = Field(description="percent of what counts that is known")


class _Budget(BaseModel):
    allowed: float
    used: float
    left: float
    left_percent: float | None


class _Standing(BaseModel):
    objective: str
    kind: ObjectiveKind
    description: str
    scope: Scope
    subject: str
    sources: list[str]
    target: float
    unit: str = Field(description="seconds or checks")
    period: _Period
    kept: bool | None = Field(description="null when nothing is known")
    kept_as_measured: bool | None
    corrected: _Account
    measured: _Account
    budget: _Budget
    burn: dict[str, float | None] = Field(description="burn rates by window")
    exhausted_at: datetime | None
    pace: str | None = Field(description="the window that the forecast goes by")
    corrections: list[int] = Field(description="numbers of entries of the ledger")


class Standings(BaseModel):
    """How promises stand, with both figures: as measured, and after corrections."""

    model_config = _example(at=_AT, standings=[_STANDING])

    at: datetime
    standings: list[_Standing]


class _Figures(BaseModel):
    failures: int
    ended: int
    hazy: int = Field(description="ended while nobody looked")
    detected: int
    acknowledged: int
    mtbf_s: float | None
    mttr_s: float | None
    mttd_s: float | None
    mtta_s: float | None


class _Named(_Figures):
    id: str


_FIGURES: dict[str, Any] = {"failures": 2, "ended": 2, "hazy": 0, "detected": 2, "acknowledged": 1, "mtbf_s": 885550.0,
            "mttr_s": 406.0, "mttd_s": 61.0, "mtta_s": 240.0}  # fmt: skip


class ReliabilityAnswer(BaseModel):
    """How often things failed, and how soon somebody noticed and set it right."""

    model_config = _example(
        start="2026-10-22T12:03:10Z", end=_AT, system=_FIGURES, components=[{"id": "web", **_FIGURES}],
        sources=[{"id": "orders-api", **_FIGURES}],
    )  # fmt: skip

    start: datetime
    end: datetime
    system: _Figures
    components: list[_Named]
    sources: list[_Named]


class _Entry(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    number: int
    at: datetime
    author: str
    source: str
    start: datetime
    end: datetime
    as_: Reclassified = Field(alias="as")
    objective: str = Field(description="empty: all of them")
    reason: str
    revokes: int | None
    previous: str
    hash: str


class Entries(BaseModel):
    """The ledger, in the order it was written."""

    model_config = _example(entries=[_ENTRY])

    entries: list[_Entry]


class Corrected(BaseModel):
    """The entry that was added."""

    model_config = _example(text="entry 1 of the ledger", entry=_ENTRY)

    text: str
    entry: _Entry


class _Broken(BaseModel):
    number: int
    why: str


class Checked(BaseModel):
    """Whether the ledger's chain is whole."""

    model_config = _example(entries=12, whole=True, broken=None)

    entries: int
    whole: bool
    broken: _Broken | None

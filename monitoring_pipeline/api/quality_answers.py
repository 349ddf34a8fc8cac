"""The JSON about the quality of data: what is answered, with the keys of `busta --json`, and what may be reported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from monitoring_pipeline.quality import Dimension, Finding, Measurement
from monitoring_pipeline.records import Severity, Status

__all__ = ["QualityAnswer", "Reported", "RunAnswer", "SourceAnswer"]

_AT = "2026-11-21T12:03:10.250000Z"
_FINDING: dict[str, Any] = {
    "name": "email values to not be null", "type": "expect_column_values_to_not_be_null",
    "text": "12 of 48,210 values fail (0.02 %)", "met": False, "status": "critical", "dimension": "completeness",
    "severity": "critical", "weight": 1.0, "share": 0.99975, "columns": ["email"], "checked": 48210, "failed": 12,
    "rows": [{"id": 7, "email": None}],
}  # fmt: skip
_RUN: dict[str, Any] = {
    "source": "orders-db", "suite": "orders", "started": "2026-11-21T12:03:06Z", "at": _AT, "status": "critical",
    "score": 99.9, "incomplete": False, "rows": 48210, "expectations": 8, "failed": 1, "errors": 0,
    "message": "email values to not be null: 12 of 48,210 values fail (0.02 %)",
    "dimensions": {"completeness": 99.98, "validity": 100.0},
    "profile": {"schema": {"id": "int4", "email": "text"}, "changes": [], "examined": 48210, "columns": []},
    "findings": [_FINDING],
}  # fmt: skip
_SOURCE: dict[str, Any] = {
    "source": "orders-db", "status": "critical", "score": 99.9, "incomplete": False,
    "dimensions": {"completeness": 99.98},
    "suites": [{"suite": "orders", "status": "critical", "reason": _RUN["message"], "configured": True,
                "blocking": False, "run": _RUN}],
}  # fmt: skip


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class FindingAnswer(BaseModel):
    """What became of one expectation."""

    model_config = _example(**_FINDING)

    name: str
    type: str
    text: str = Field(description="what was found, in words")
    met: bool | None = Field(description="null when it could not be found out")
    status: Status
    dimension: Dimension
    severity: Severity
    weight: float
    share: float | None = Field(description="how much of what was looked at meets it, 0 to 1")
    columns: list[str]
    checked: int | None
    failed: int | None
    rows: list[dict[str, Any]] = Field(description="examples of rows that fail, masked columns covered")


class RunAnswer(BaseModel):
    """One run of a suite."""

    model_config = _example(**_RUN)

    source: str
    suite: str
    started: datetime
    at: datetime
    status: Status
    score: float | None = Field(description="0 to 100 over what is known, null when nothing is")
    incomplete: bool = Field(description="whether something could not be judged and the score leaves it out")
    rows: float | None
    expectations: int
    failed: int
    errors: int = Field(description="expectations that could not be judged")
    message: str
    dimensions: dict[str, float]
    profile: dict[str, Any] = Field(description="columns, schema, changes, examined, newest, metrics, seconds")
    findings: list[FindingAnswer]


class SuiteAnswer(BaseModel):
    """How a suite stands."""

    suite: str
    status: Status
    reason: str
    configured: bool = Field(description="false for what somebody reported")
    blocking: bool
    run: RunAnswer | None


class SourceAnswer(BaseModel):
    """How good the data of one source are."""

    model_config = _example(**_SOURCE)

    source: str
    status: Status
    score: float | None
    incomplete: bool = Field(description="whether something is not known and the score leaves it out")
    dimensions: dict[str, float]
    suites: list[SuiteAnswer]


class QualityAnswer(BaseModel):
    """How good the data of all sources are that have suites."""

    model_config = _example(at=_AT, sources=[_SOURCE])

    at: datetime
    sources: list[SourceAnswer]


def _clean(text: str) -> str:
    # PostgreSQL keeps no NUL in a text.
    return text.replace("\0", "").strip()


Name = Annotated[str, Field(max_length=200), AfterValidator(_clean)]
Words = Annotated[str, Field(max_length=1000), AfterValidator(_clean)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class ReportedFinding(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name, Field(min_length=1, description="What was looked at.")]
    met: bool | None = Field(description="Whether it is as it should be; null when that could not be found out.")
    text: Words = Field("", description="What was found, in words.")
    dimension: Dimension = Dimension.VALIDITY
    severity: Literal["info", "warning", "critical"] = "critical"
    weight: float = Field(1.0, ge=0, le=1000)
    share: float | None = Field(None, ge=0, le=1, description="How much of it is right, 0 to 1.")
    columns: list[Name] = Field([], max_length=100)
    checked: int | None = Field(None, ge=0)
    failed: int | None = Field(None, ge=0)
    rows: list[dict[Name, Any]] = Field([], max_length=100, description="Examples of rows that are not right.")


class Reported(BaseModel):
    """What an existing framework measured of a source."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"source": "orders-db", "suite": "soda", "dimensions": {"completeness": 99.2}, "rows": 48210}]
        },
    )

    source: Name = Field(description="Id of the source.")
    key: str = Field(
        "", pattern=r"^([A-Za-z0-9_.:-]{8,64})?$",
        description="Its identity: reported again under the same key it is the same run. By default a new one.",
    )  # fmt: skip
    suite: str = Field("reported", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="What it is kept as.")
    dimensions: dict[Dimension, Annotated[float, Field(ge=0, le=100)]] = Field({}, description="Scores, 0 to 100.")
    findings: list[ReportedFinding] = Field([], max_length=1000)
    metrics: dict[Annotated[str, Field(pattern=r"^[^\x00]{1,150}$")], Number] = Field({}, max_length=500)
    rows: int | None = Field(None, ge=0, description="How many rows there are.")

    def measurement(self) -> Measurement:
        """The same as a validator would answer it."""
        scores: Mapping[str, float] = {dimension.value: score for dimension, score in self.dimensions.items()}
        return Measurement(scores, [_finding(each) for each in self.findings], self.metrics, self.rows)


def _finding(told: ReportedFinding) -> Finding:
    return Finding(
        told.name, "reported", told.text, told.met, told.dimension, Severity(told.severity), told.weight, told.share,
        tuple(told.columns), told.checked, told.failed, tuple(told.rows),
    )  # fmt: skip

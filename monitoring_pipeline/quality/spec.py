"""The YAML of `suites`: what the data of a source should look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitoring_pipeline.clock import Duration
from monitoring_pipeline.deadlines import Cron, Zone
from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.expectation import ExpectationSpec
from monitoring_pipeline.quality.table import AnyTable

__all__ = ["FloorsSpec", "SuiteSpec"]

_CLASS = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=366)


class FloorsSpec(BaseModel):
    """Below what a score is a warning, and below what it is critical."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warning: float | None = Field(None, gt=0, le=100, description="Below it the suite has a warning.")
    critical: float | None = Field(None, gt=0, le=100, description="Below it the suite is critical.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.warning is None and self.critical is None:
            raise ValueError("give `warning`, `critical` or both")
        if self.warning is not None and self.critical is not None and self.warning < self.critical:
            raise ValueError("`warning` must not lie below `critical`")
        return self


class SuiteSpec(BaseModel):
    """Expectations about one table of a source, a validator of one's own, or what a framework elsewhere reports."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: str = Field(description="Id of the source whose data it is.")
    table: AnyTable | None = Field(None, description="Where the rows are.")
    expectations: tuple[ExpectationSpec, ...] = Field((), description="What should be true.")
    validator: str | None = Field(
        None,
        pattern=_CLASS,
        description="`package.module:Class` of a validator of your own, beside or instead of a table.",
    )
    arguments: Mapping[str, Any] = Field(default_factory=dict, description="What the validator is made with.")
    path: tuple[Path, ...] = Field((), description="Folders to import validators and expectations from.")
    every: Duration = Field(timedelta(hours=1), description="How often it runs, from 1m.")
    cron: Cron | None = Field(None, description="A cron expression instead.")
    timezone: Zone = Field("UTC", description="The time zone of `cron`.")
    timeout: Duration = Field(timedelta(minutes=5), gt=timedelta(0), description="How long one run may take.")
    enabled: bool = Field(True, description="Whether it runs.")
    reported: bool = Field(
        False,
        description="Whether a framework elsewhere reports it by `POST /quality`; nothing runs here then, and `every` "
        "or `cron` say how often it comes.",
    )
    thresholds: Mapping[Dimension | Literal["score"], FloorsSpec] = Field(
        default_factory=dict, description="How low scores may be: of dimensions, or `score`, which is that of all."
    )
    profile: bool = Field(True, description="Whether rows, missing and distinct values and ranges are measured.")
    drift: bool = Field(True, description="Whether added, removed and retyped columns are events.")
    columns: tuple[str, ...] = Field((), description="Only these columns are fetched and profiled, if any are named.")
    masked: tuple[str, ...] = Field((), description="Columns whose values are never kept or shown.")
    min_rows: int = Field(1, ge=0, description="Fewer rows are a critical finding.")
    freshness_column: str | None = Field(None, description="The column that says how new a row is.")
    max_age: Duration | None = Field(None, description="The newest row may be this old at most.")
    max_rows: int = Field(1_000_000, ge=100, description="Of more rows than this a sample is judged.")
    sample_rows: int = Field(5, ge=0, le=100, description="Examples of rows kept per expectation that is not met.")
    memory_mb: int = Field(2048, ge=128, description="Memory for fetching and profiling.")
    dimension_weights: Mapping[Dimension, float] = Field(
        default_factory=dict, description="How much each dimension counts in the score; 1 unless given."
    )
    blocking: bool = Field(
        False, description="Whether assets downstream are held back while a critical expectation is not met."
    )

    @property
    def runs_here(self) -> bool:
        """Whether it is to be run by us."""
        return self.enabled and not self.reported

    def masked_of(self, names: Iterable[str]) -> frozenset[str]:
        """What is masked, as these columns spell it. Upper and lower case are one: few databases tell them apart."""
        masked = {name.casefold() for name in self.masked}
        return frozenset([*self.masked, *(name for name in names if name.casefold() in masked)])

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.reported and (self.table is not None or self.validator is not None):
            raise ValueError("a suite that is reported runs elsewhere: it has no `table` and no `validator` here")
        if self.reported and not {"every", "cron"} & self.model_fields_set:
            raise ValueError("a suite that is reported needs `every` or `cron`: how often it comes")
        if self.cron is not None and "every" in self.model_fields_set:
            raise ValueError("give either `every` or `cron`")
        if self.table is None and self.validator is None and not self.reported:
            raise ValueError("a suite needs a `table` to look at, or a `validator`")
        if self.table is None and self.expectations:
            raise ValueError("expectations need a `table` to look at")
        if not _SHORTEST <= self.every <= _LONGEST:
            raise ValueError("every must lie between 1m and 366d")
        if self.max_age is not None and self.freshness_column is None:
            raise ValueError("max_age needs the `freshness_column` that tells how new a row is")
        wrong = [dimension.value for dimension, weight in self.dimension_weights.items() if weight < 0]
        if wrong:
            raise ValueError(f"the weight of {wrong[0]} is less than 0")
        return self

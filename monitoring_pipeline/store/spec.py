"""The YAML of `stores` and `retention`."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from monitoring_pipeline.clock import Duration, format_duration

__all__ = ["RetentionSpec", "RollupRetentionSpec", "StoresSpec"]


class StoresSpec(BaseModel):
    """Where things are kept. Relative paths count from the configuration file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path = Field(Path(".busta"), description="Folder of everything this installation writes.")
    operational: SecretStr | None = Field(
        None,
        description="URL of the operational store; sqlite:///DIRECTORY/operational.db by default, or postgresql://...",
    )
    warehouse: Path | None = Field(None, description="The DuckDB file; DIRECTORY/warehouse.duckdb by default.")


class RollupRetentionSpec(BaseModel):
    """How long history in buckets is kept, per width of the buckets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minute: Duration = Field(timedelta(days=30), description="Buckets of a minute.")
    hour: Duration = Field(timedelta(days=400), description="Buckets of an hour.")
    day: Duration = Field(timedelta(days=1830), description="Buckets of a day.")
    week: Duration = Field(timedelta(days=3660), description="Buckets of a week.")

    @model_validator(mode="after")
    def _wider_is_kept_longer(self) -> Self:
        for (fine, shorter), (wide, longer) in pairwise(self):
            if longer < shorter:
                raise ValueError(
                    f"`{wide}` ({format_duration(longer)}) must be at least as long as `{fine}` "
                    f"({format_duration(shorter)}): totals are read from the widest buckets that fit"
                )
        return self

    def of(self, level: str) -> timedelta:
        """How long the buckets of a level are kept, by its name."""
        kept: timedelta = getattr(self, level)
        return kept


class RetentionSpec(BaseModel):
    """How long rows are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hot: Duration = Field(timedelta(hours=2), description="Results and samples in the operational store.")
    results: Duration = Field(timedelta(days=400), description="Results in the warehouse.")
    samples: Duration = Field(timedelta(days=90), description="Raw samples in the warehouse.")
    changes: Duration = Field(timedelta(days=1200), description="Status changes, gaps and events.")
    quality: Duration = Field(timedelta(days=400), description="Runs of quality suites in the warehouse.")
    collections: Duration = Field(timedelta(days=90), description="What collectors reported, in the warehouse.")
    rollups: RollupRetentionSpec = Field(
        RollupRetentionSpec(), description="History in buckets of a minute, an hour, a day and a week."
    )
    runs: Duration = Field(timedelta(days=2), description="Dagster's records of its own runs.")

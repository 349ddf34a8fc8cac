"""The contract of a check kind.

A kind is one pydantic model in `kinds/`: its fields are its YAML, its `probe` does the work.

    class TcpCheck(Check):
        '''Opens a TCP connection.'''

        kind: Literal["tcp"]
        host: str
        port: int

        metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms"}

        async def probe(self, context: ProbeContext) -> Probe: ...

`probe` returns what it measured, raises `SourceFailure` when the source is bad (refused, reset,
wrong protocol, access denied), and lets anything else propagate: any other exception means that the
check itself failed, and the result is unknown. Time-outs and retries are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from monitoring_pipeline.checks.condition import Condition, LevelledCondition, Threshold
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.kinds import Kinds, find_kinds
from monitoring_pipeline.reach.context import Clients
from monitoring_pipeline.records import CheckType, Source, Status

__all__ = ["BoundCheck", "Check", "Facts", "Measure", "Probe", "ProbeContext", "check_kinds"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number beyond the plain `values`, for metrics that come with tags (per disk, per queue)."""

    metric: str
    value: float
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """What one probe found.

    `values` are the names that conditions may use. Those named in the kind's `metrics` are stored
    as samples too. `details` is shown to people and kept as JSON; keep it small.
    """

    values: Mapping[str, Any]
    measures: Sequence[Measure] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Facts(Protocol):
    """What a probe may ask of the operational store."""

    def status_of(self, key: str) -> Status:
        """The current status of a check (`source/check`) or a whole source (`source`)."""

    def beats(self, key: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """The newest heartbeats of a check, newest first: at (datetime), signal, duration_ms, exit_code, message."""


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What a probe is given: the moment, the source, how long it may take, shared clients and facts."""

    now: datetime
    source: Source
    key: str
    timeout_s: float
    clients: Clients
    facts: Facts
    allow_commands: bool = False


class Check(BaseModel):
    """Fields that every check kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    metrics: ClassVar[Mapping[str, str]] = {}
    """Names of values that become samples, with their units."""
    default_conditions: ClassVar[tuple[str, ...]] = ()
    """Critical conditions used when the YAML gives no `conditions`."""
    default_warnings: ClassVar[tuple[str, ...]] = ()
    """Warning conditions used when the YAML gives no `conditions`."""
    timeout_is_failure: ClassVar[bool] = True
    """Whether running out of time says that the source is bad (else: the check is)."""
    extra: ClassVar[str | None] = None
    """The packaging extra that carries this kind's client library."""
    remote: ClassVar[bool] = True
    """Whether the probe leaves this machine, so that our own network matters to it."""

    kind: str
    id: str = Field(
        "", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$|^$", description="Name within the source; the kind by default."
    )
    type: CheckType = Field(CheckType.CONNECTIVITY, description="What the check is about.")
    interval: Duration = Field(timedelta(seconds=60), description="Time between two executions, from 1s to days.")
    cron: str | None = Field(None, description="A cron expression instead of an interval.")
    timezone: str = Field("UTC", description="The time zone in which `cron` is read.")
    timeout: Duration = Field(timedelta(seconds=10), description="How long one attempt may take.")
    retries: int = Field(1, ge=0, le=10, description="Further attempts before a failure counts.")
    retry_delay: Duration = Field(timedelta(seconds=1), description="Pause before the first retry; doubles with each.")
    enabled: bool = True
    critical: bool = Field(True, description="Whether this check alone can make its source critical.")
    depends_on: tuple[str, ...] = Field(
        (), description="Checks that must not be down: `check` of this source or `source/check`."
    )
    conditions: tuple[LevelledCondition, ...] = Field((), description="What must hold; a plain text is critical.")
    thresholds: Mapping[str, Threshold] = Field(
        default_factory=dict, description="Limits of single metrics, with a warning and a critical level."
    )

    @model_validator(mode="after")
    def _time_is_sane(self) -> Check:
        if not timedelta(seconds=1) <= self.interval <= timedelta(days=366):
            raise ValueError("interval must lie between 1s and 366d")
        if not timedelta(milliseconds=1) <= self.timeout <= timedelta(hours=1):
            raise ValueError("timeout must lie between 1ms and 1h")
        return self

    def critical_conditions(self) -> tuple[Condition, ...]:
        """Conditions whose failing makes the result critical."""
        return _conditions_of(self)[0]

    def warning_conditions(self) -> tuple[Condition, ...]:
        """Conditions whose failing makes the result a warning."""
        return _conditions_of(self)[1]

    def is_local(self) -> bool:
        """Whether the probe stays on this machine, so that losing our own network cannot explain a failure."""
        if not self.remote:
            return True
        host = getattr(self, "host", None) or _host_of(getattr(self, "url", None))
        return host is not None and (host in ("localhost", "::1") or host.startswith("127."))

    def warm_up(self) -> None:
        """Brings in what the first probe would wait for, and measure: client libraries, certificate stores.

        A run calls it before its first slot. Whatever it raises is left to the probe to say.
        """

    async def probe(self, context: ProbeContext) -> Probe:
        """Looks at the source once. See the module's text for what to return and what to raise."""
        raise NotImplementedError


def _conditions_of(check: Check) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
    cached: tuple[tuple[Condition, ...], tuple[Condition, ...]] | None = check.__dict__.get("_levels")
    if cached is not None:
        return cached
    critical = [c.critical for c in check.conditions if c.critical is not None]
    warning = [c.warning for c in check.conditions if c.warning is not None]
    if not check.conditions:
        covered = set(check.thresholds)
        critical += [Condition.parse(text) for text in check.default_conditions if not _names(text) & covered]
        warning += [Condition.parse(text) for text in check.default_warnings if not _names(text) & covered]
    for metric, threshold in check.thresholds.items():
        critical += threshold.conditions(metric, "critical")
        warning += threshold.conditions(metric, "warning")
    levels = (tuple(critical), tuple(warning))
    check.__dict__["_levels"] = levels
    return levels


def _host_of(url: Any) -> str | None:
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    return urlsplit(text).hostname if isinstance(text, str) else None


def _names(text: str) -> set[str]:
    return set(Condition.parse(text).names)


@dataclass(frozen=True, slots=True)
class BoundCheck:
    """A check of one source; `key` is its name everywhere."""

    source: Source
    check: Check
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.source.id}/{self.check.id}")


def check_kinds() -> Kinds[Check]:
    """Every check kind there is: this folder's and those of the entry-point group."""
    return find_kinds("monitoring_pipeline.checks.kinds", Check, "monitoring_pipeline.checks")

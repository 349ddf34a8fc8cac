"""The YAML of `execution`: how checks are run, and what they may touch."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.clock import Duration
from monitoring_pipeline.reach.spec import NetworksSpec

__all__ = ["BreakerSpec", "ConnectivitySpec", "ExecutionSpec"]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BreakerSpec(_Spec):
    """The circuit breaker of each source: after so many unreachable results in a row, pause its checks."""

    enabled: bool = True
    failures: int = Field(5, ge=1, description="Unreachable results in a row that open it.")
    backoff: Duration = Field(timedelta(seconds=15), description="First pause; doubles each time a trial fails.")
    max_backoff: Duration = Field(timedelta(minutes=2), description="Longest pause.")


class ConnectivitySpec(_Spec):
    """How we know that we ourselves are cut off from the network."""

    targets: tuple[str, ...] = Field(
        (), description="host:port pairs that answer whenever our own network works, such as the DNS resolver."
    )
    timeout: Duration = timedelta(seconds=2)


class ExecutionSpec(_Spec):
    """How checks are run."""

    concurrency: int = Field(200, ge=1, le=10_000, description="Probes under way at once.")
    per_source: int = Field(4, ge=1, description="Probes of one source under way at once.")
    cpu_percent: float = Field(150, gt=0, description="Our own CPU budget; above it fewer probes run at once.")
    memory_mb: int = Field(1024, ge=64, description="Our own memory budget; above it fewer probes run at once.")
    allow_commands: bool = Field(False, description="Whether `command` checks may start programs.")
    breaker: BreakerSpec = BreakerSpec()
    connectivity: ConnectivitySpec = ConnectivitySpec()
    networks: NetworksSpec = NetworksSpec()

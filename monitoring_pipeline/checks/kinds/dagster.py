"""`dagster`: another Dagster instance, through the GraphQL of its webserver."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.connection import Phases, tls_context
from monitoring_pipeline.reach.http_exchange import Answer, Target, decoded, exchange, request_bytes, target_of

__all__ = ["DagsterCheck"]

_LARGEST = 8 * 1024 * 1024
_LISTED = 1000
_SHOWN = 10
_QUERY = """
query Health($failed: RunsFilter!, $succeeded: RunsFilter!, $started: RunsFilter!, $queued: RunsFilter!,
             $assets: [AssetKeyInput!]!, $shown: Int!, $listed: Int!) {
  version
  instance { daemonHealth { allDaemonStatuses {
    daemonType required healthy lastHeartbeatTime lastHeartbeatErrors { message }
  } } }
  workspaceOrError {
    __typename
    ... on PythonError { message }
    ... on Workspace { locationEntries {
      name loadStatus locationOrLoadError { __typename ... on PythonError { message } }
    } }
  }
  failed: runsOrError(filter: $failed, limit: $shown) { ... on Runs { count results { jobName runId } } }
  succeeded: runsOrError(filter: $succeeded, limit: 1) { ... on Runs { count } }
  started: runsOrError(filter: $started, limit: $listed) {
    ... on Runs { count results { jobName creationTime startTime } }
  }
  queued: runsOrError(filter: $queued, limit: $listed) { ... on Runs { count results { jobName creationTime } } }
  assetsOrError(assetKeys: $assets) {
    __typename
    ... on PythonError { message }
    ... on AssetConnection { nodes { key { path } assetMaterializations(limit: 1) { timestamp } } }
  }
}
"""


class DagsterCheck(Check):
    """Asks a Dagster webserver about its daemons, code locations, runs and assets, in one query.

    Values: `daemons_healthy`, `unhealthy_daemons` (names), `heartbeat_age_s` (of the quietest
    daemon), `code_locations_loaded` (false while one loads), `broken_locations` (names); of runs that
    ended within `window` `failed_runs`, `succeeded_runs`, `run_count` and `success_rate` (%, absent
    without runs); `running_runs`, `longest_running_s`, `queued_runs`, `oldest_queued_s`; of `assets`
    `assets_fresh`, `stale_assets` (keys, never materialised ones too) and `stalest_age_s`.
    """

    kind: Literal["dagster"]
    url: str = Field(description="The address of the webserver, http:// or https://, with its path prefix if any.")
    headers: Mapping[str, SecretStr] = Field(default_factory=dict, description="Headers to send, such as a token.")
    window: Duration = Field(timedelta(hours=1), description="How far back ended runs are counted.")
    job: str | None = Field(None, description="Count the runs of this job alone.")
    max_heartbeat_age: Duration = Field(
        timedelta(minutes=5), description="Age of its last heartbeat from which a daemon counts as dead."
    )
    assets: Mapping[str, Duration] = Field(
        default_factory=dict, description="Asset keys (parts joined by /) and the age each may reach."
    )
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    metrics: ClassVar[Mapping[str, str]] = {
        "response_time_ms": "ms",
        "heartbeat_age_s": "s",
        "failed_runs": "",
        "succeeded_runs": "",
        "run_count": "",
        "success_rate": "%",
        "running_runs": "",
        "longest_running_s": "s",
        "queued_runs": "",
        "oldest_queued_s": "s",
        "stalest_age_s": "s",
    }
    # Lists rather than booleans, so that the failed condition names what is bad.
    default_conditions: ClassVar[tuple[str, ...]] = (
        "unhealthy_daemons == []",
        "broken_locations == []",
        "stale_assets == []",
    )

    @field_validator("url")
    @classmethod
    def _url_is_absolute(cls, url: str) -> str:
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("credentials do not belong into the URL: use headers")
        target_of(url)
        return url

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        import httptools  # noqa: F401 - brought in

        if self.url.startswith("https"):
            tls_context(self.verify, self.ca_file)

    async def probe(self, context: ProbeContext) -> Probe:
        """Asks once. Raises SourceFailure when no Dagster webserver answers properly."""
        started = time.perf_counter()
        target = target_of(_graphql_url(self.url))
        data = await self._ask(context, target)
        now_s = context.now.timestamp()
        try:
            values = {
                "response_time_ms": (time.perf_counter() - started) * 1000,
                **_daemons(data, self.max_heartbeat_age, now_s),
                **_locations(data, target.where),
                **_runs(data, now_s),
                **_assets(data, self.assets, now_s),
            }
            return Probe(values, details=_details(data, values))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceFailure(f"{target.where} gave an answer that is not understood ({error!r})") from error

    async def _ask(self, context: ProbeContext, target: Target) -> Mapping[str, Any]:
        tls = tls_context(self.verify, self.ca_file) if target.scheme == "https" else None
        headers = {"Content-Type": "application/json"} | {n: v.get_secret_value() for n, v in self.headers.items()}
        body = json.dumps({"query": _QUERY, "variables": self._variables(context.now.timestamp())}).encode()
        request = request_bytes("POST", target, headers, body)
        answer = await exchange(context, target, request, phases=Phases(), tls=tls, limit=_LARGEST)
        return _data(answer, target.where)

    def _variables(self, now_s: float) -> dict[str, Any]:
        job = {"pipelineName": self.job} if self.job is not None else {}
        since = {"updatedAfter": now_s - self.window.total_seconds()} | job
        return {
            "failed": {"statuses": ["FAILURE"]} | since,
            "succeeded": {"statuses": ["SUCCESS"]} | since,
            "started": {"statuses": ["STARTED"]} | job,
            "queued": {"statuses": ["QUEUED"]} | job,
            "assets": [{"path": key.split("/")} for key in self.assets],
            "shown": _SHOWN,
            "listed": _LISTED,
        }


def _graphql_url(url: str) -> str:
    bare = url.rstrip("/")
    return bare if bare.endswith("/graphql") else f"{bare}/graphql"


def _data(answer: Answer, where: str) -> Mapping[str, Any]:
    if answer.status in (401, 403):
        raise SourceFailure(f"{where} denied us access (HTTP {answer.status})")
    try:
        found = json.loads(decoded(answer, _LARGEST))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not ("data" in found or "errors" in found):
        raise SourceFailure(f"{where} is no Dagster webserver: it answered HTTP {answer.status} without GraphQL")
    if found.get("errors"):
        raise SourceFailure(f"{where} could not answer: {_first_line(found['errors'][0].get('message'))}")
    data: Mapping[str, Any] = found["data"]
    return data


def _first_line(text: Any) -> str:
    lines = str(text or "no reason given").strip().splitlines()
    return lines[0][:300] if lines else "no reason given"


def _required(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [status for status in data["instance"]["daemonHealth"]["allDaemonStatuses"] if status["required"]]


def _daemons(data: Mapping[str, Any], limit: timedelta, now_s: float) -> dict[str, Any]:
    # Dagster itself calls a daemon healthy until it has been silent for half an hour.
    beats = {status["daemonType"]: status["lastHeartbeatTime"] for status in _required(data)}
    ages = {name: max(0.0, now_s - at) for name, at in beats.items() if at is not None}
    bad = {status["daemonType"] for status in _required(data) if not status["healthy"]}
    bad |= {name for name, age_s in ages.items() if age_s > limit.total_seconds()}
    values: dict[str, Any] = {"daemons_healthy": not bad, "unhealthy_daemons": sorted(bad)}
    if ages:
        values["heartbeat_age_s"] = max(ages.values())
    return values


def _locations(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    workspace = data["workspaceOrError"]
    if workspace["__typename"] != "Workspace":
        raise SourceFailure(f"{where} cannot load its workspace: {_first_line(workspace.get('message'))}")
    entries = workspace["locationEntries"]
    broken = sorted(entry["name"] for entry in entries if _load_error(entry) is not None)
    loading = any(entry["loadStatus"] != "LOADED" for entry in entries)
    return {"code_locations_loaded": not broken and not loading, "broken_locations": broken}


def _load_error(entry: Mapping[str, Any]) -> str | None:
    found = entry["locationOrLoadError"]
    return _first_line(found.get("message")) if found and found["__typename"] == "PythonError" else None


def _runs(data: Mapping[str, Any], now_s: float) -> dict[str, Any]:
    failed, succeeded = data["failed"]["count"], data["succeeded"]["count"]
    values: dict[str, Any] = {
        "failed_runs": failed,
        "succeeded_runs": succeeded,
        "run_count": failed + succeeded,
        "running_runs": data["started"]["count"],
        "longest_running_s": _oldest(data["started"]["results"], now_s),
        "queued_runs": data["queued"]["count"],
        "oldest_queued_s": _oldest(data["queued"]["results"], now_s),
    }
    if failed + succeeded:
        values["success_rate"] = 100 * succeeded / (failed + succeeded)
    return values


def _oldest(runs: Sequence[Mapping[str, Any]], now_s: float) -> float:
    """Seconds since the oldest of these runs started, or was created when it has not; 0 without any."""
    return max((max(0.0, now_s - (run.get("startTime") or run["creationTime"])) for run in runs), default=0.0)


def _assets(data: Mapping[str, Any], limits: Mapping[str, timedelta], now_s: float) -> dict[str, Any]:
    ages = {"/".join(node["key"]["path"]): _age(node, now_s) for node in data["assetsOrError"]["nodes"]}
    stale = sorted(key for key, limit in limits.items() if _is_stale(ages.get(key), limit))
    values: dict[str, Any] = {"assets_fresh": not stale, "stale_assets": stale}
    known = [age for key in limits if (age := ages.get(key)) is not None]
    if known:
        values["stalest_age_s"] = max(known)
    return values


def _is_stale(age_s: float | None, limit: timedelta) -> bool:
    return age_s is None or age_s > limit.total_seconds()


def _age(node: Mapping[str, Any], now_s: float) -> float | None:
    latest = node["assetMaterializations"]
    return max(0.0, now_s - float(latest[0]["timestamp"]) / 1000) if latest else None


def _details(data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    entries = data["workspaceOrError"]["locationEntries"]
    errors = {status["daemonType"]: status["lastHeartbeatErrors"] for status in _required(data)}
    details = {
        "version": data["version"],
        "failed_jobs": sorted({run["jobName"] for run in data["failed"]["results"]}),
        "location_errors": {e["name"]: error for e in entries[:50] if (error := _load_error(e)) is not None},
        "daemon_errors": {name: _first_line(found[0]["message"]) for name, found in errors.items() if found},
        "stale_assets": values["stale_assets"][:_SHOWN],
    }
    return {name: value for name, value in details.items() if value}

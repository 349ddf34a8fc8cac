"""This installation as sources: Dagster, the API, the operational store, the warehouse."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring_pipeline.discovery.found import Found

__all__ = ["Ports", "free_ports", "own_sources", "why_taken"]

_DAGSTER, _API = 3000, 8080
_PATIENCE = {"retries": 3, "retry_delay": "2s"}  # they start with us, and need a moment


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Dagster's web server and the API will listen by default."""

    dagster: int = _DAGSTER
    api: int = _API


def free_ports(directory: Path) -> Ports:
    """The usual ports, or the next ones that are free. Those of a running `busta up` are its own."""
    if (directory / "up.json").exists():
        return Ports()
    return Ports(_free(_DAGSTER), _free(_API))


def _free(port: int) -> int:
    return next((each for each in range(port, port + 100) if why_taken("127.0.0.1", each) is None), port)


def why_taken(host: str, port: int) -> str | None:
    """Why nobody can listen there now; None when one can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def own_sources(directory: Path, ports: Ports) -> list[Found]:
    """The parts of this installation, which keeps its files in `directory` (absolute)."""
    dagster = f"http://127.0.0.1:${{BUSTA_DAGSTER_PORT:-{ports.dagster}}}"
    api = f"http://127.0.0.1:${{BUSTA_API_PORT:-{ports.api}}}"
    return [
        _found("operational store", directory / "operational.db", _store(directory / "operational.db")),
        _found("warehouse", directory / "published", _warehouse(directory / "published" / "warehouse.duckdb")),
        _found("Dagster", f"127.0.0.1:{ports.dagster}", _dagster(dagster)),
        _found("API and status page", f"127.0.0.1:{ports.api}", _api(f"{api}/ready")),
    ]


def _found(what: str, where: object, source: dict[str, Any]) -> Found:
    return Found("monitoring", what, str(where), {"component": "monitoring", "tags": ["ourselves"], **source})


def _store(file: Path) -> dict[str, Any]:
    return {
        "id": "operational-store",
        "name": "Operational store",
        "description": "Everything that changes: states, results of the last hours, claims",
        "criticality": "critical",
        "depends_on": ["machine"],
        "checks": [
            {
                "id": "query", "kind": "sql", "url": f"sqlite:///{file}", "query": "SELECT count(*) FROM results",
                "conditions": ["query_ms < 5000", {"warning": "query_ms < 1000"}],
            },
            {
                "id": "size", "kind": "file", "type": "capacity", "path": str(file), "interval": "5m",
                "conditions": ["found == true", {"warning": "size < 4000000000"}],
            },
        ],
    }  # fmt: skip


def _warehouse(file: Path) -> dict[str, Any]:
    return {
        "id": "warehouse",
        "name": "Warehouse (published copy)",
        "description": "History: Dagster publishes a fresh copy every five minutes",
        "criticality": "high",
        "depends_on": ["operational-store"],
        "checks": [
            {
                "id": "fresh", "kind": "freshness", "path": str(file), "max_age": "30m", "interval": "5m",
                "conditions": [{"warning": "overdue_s == 0"}],
            },
            {
                "id": "query", "kind": "sql", "url": f"duckdb:///{file}", "interval": "5m",
                "query": "SELECT count(*) AS results FROM results",
                "conditions": ["query_ms < 10000", {"warning": "query_ms < 2000"}],
            },
            {
                "id": "size", "kind": "file", "type": "capacity", "path": str(file), "interval": "5m",
                "conditions": ["found == true", {"warning": "size < 50000000000"}],
            },
        ],
    }  # fmt: skip


def _dagster(url: str) -> dict[str, Any]:
    # A few runs fail whenever everything is stopped in their midst; one failing each minute is more.
    conditions = ["unhealthy_daemons == []", "broken_locations == []", {"warning": "failed_runs < 6"}]
    return {
        "id": "dagster",
        "name": "Dagster",
        "description": "Web server, daemons and code location of `busta up`",
        "criticality": "critical",
        "depends_on": ["machine"],
        "checks": [{"kind": "dagster", "url": url, "conditions": conditions, **_PATIENCE}],
    }


def _api(url: str) -> dict[str, Any]:
    return {
        "id": "status-page",
        "name": "API and status page",
        "description": "The API of `busta up`, ready to answer",
        "depends_on": ["operational-store"],
        "checks": [{"kind": "http", "url": url, **_PATIENCE}],
    }

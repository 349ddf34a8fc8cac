"""What probes ask of the operational store: statuses of other checks, and heartbeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.records import Status
from monitoring_pipeline.store import beats, states
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["StoreFacts"]


class StoreFacts:
    """Facts read from the operational store at the moment they are asked for."""

    def __init__(self, store: OperationalStore) -> None:
        self._store = store

    def status_of(self, key: str) -> Status:
        """The status of a check (`source/check`) or of a whole source. Raises CheckError when there is none."""
        with self._store.read() as connection:
            source = key.split("/", 1)[0]
            rows = states.check_rows(connection, [source]) if "/" in key else states.source_rows(connection, [key])
        if key not in rows:
            raise CheckError(f"there is no check or source {key!r}")
        return Status(rows[key]["status"])

    def beats(self, key: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """The newest heartbeats of a check, newest first."""
        with self._store.read() as connection:
            return beats.newest_beats(connection, key, limit)

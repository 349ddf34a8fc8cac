"""Deletes records of old Dagster runs: a run costs some 130 KB and no setting of Dagster removes it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg

__all__ = ["delete_old_runs"]

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_BATCH = 100


def delete_old_runs(instance: dg.DagsterInstance, before: datetime, limit: int = 5_000) -> int:
    """Deletes finished runs created before a moment (UTC), the oldest first; answers how many."""
    deleted = 0
    for run_id in _old_runs(instance, before, limit):
        instance.delete_run(run_id)
        _remove_shard(instance, run_id)
        deleted += 1
    return deleted


def _old_runs(instance: dg.DagsterInstance, before: datetime, limit: int) -> Iterator[str]:
    old = dg.RunsFilter(statuses=_FINISHED, created_before=before)
    while limit > 0:
        records = instance.get_run_records(old, limit=min(_BATCH, limit), ascending=True)
        yield from (record.dagster_run.run_id for record in records)
        limit -= len(records)
        if len(records) < _BATCH:
            return


def _remove_shard(instance: dg.DagsterInstance, run_id: str) -> None:
    """The SQLite event log keeps a file per run, and deleting the run leaves it behind, empty."""
    path_for_shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if path_for_shard is None:
        return
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

"""Old records of Dagster's runs go, and their files with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets.old_runs import delete_old_runs


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def small():
    nothing()


def test_finished_runs_are_deleted_with_their_files(tmp_path: Path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        gone = [small.execute_in_process(instance=instance).run_id for _ in range(3)]
        going_on = instance.create_run_for_job(small, status=dg.DagsterRunStatus.STARTED).run_id
        before = datetime.now(UTC) + timedelta(seconds=1)
        assert delete_old_runs(instance, before - timedelta(hours=1)) == 0
        assert delete_old_runs(instance, before, limit=2) == 2
        assert delete_old_runs(instance, before) == 1
        assert [run.run_id for run in instance.get_runs()] == [going_on]
        files = {file.stem for file in (tmp_path / "history" / "runs").iterdir()}
        assert not files & set(gone)

"""A failed run of ours leaves a sample; a run that was told to stop does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.store.tables import samples
from sensors.run_failures import run_failures
from tests.installation import write_installation


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    opened = Monitoring.open(write_installation(tmp_path))
    yield opened
    opened.close()


def evaluate(monitoring: Monitoring, error: Exception) -> str:
    @dg.op
    def breaks() -> None:
        raise error

    @dg.job
    def broken():
        breaks()

    return tell(monitoring, broken)


def tell(monitoring: Monitoring, broken: dg.JobDefinition) -> str:
    """Runs a job that fails, and has the sensor see it."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = broken.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failures", dagster_event=result.get_run_failure_event(), dagster_instance=instance,
            dagster_run=result.dagster_run, resources={"monitoring": monitoring},
        ).for_run_failure()  # fmt: skip
        run_failures(context)
        return result.run_id


def failures(monitoring: Monitoring) -> list[str]:
    with monitoring.store.read() as connection:
        return list(connection.execute(select(samples.c.tags).where(samples.c.metric == "run_failures")).scalars())


def test_a_failed_run_is_noted(monitoring: Monitoring):
    run_id = evaluate(monitoring, RuntimeError("the warehouse is gone"))
    (tags,) = failures(monitoring)
    assert run_id in str(tags)
    assert "broken" in str(tags)


def test_a_run_that_bad_data_ended_is_no_failure(monitoring: Monitoring):
    @dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="orders", blocking=True)])
    def orders():
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="good")])

    tell(monitoring, dg.Definitions([orders]).resolve_implicit_global_asset_job_def())
    assert failures(monitoring) == []


def test_a_run_that_was_told_to_stop_is_no_failure(monitoring: Monitoring):
    evaluate(monitoring, dg.DagsterExecutionInterruptedError())
    assert failures(monitoring) == []

"""One execution: whatever the probe does, a result of the right status comes out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitoring_pipeline.checks.execute import Surroundings, execute
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from monitoring_pipeline.reach.clients import SharedClients
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Result, Status
from tests.checks.scripted import PROBES, bound

SLOT = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def run(redact=str, **fields: object) -> Result:
    clients = SharedClients(NetworksSpec())
    try:
        return await execute(bound(**fields), SLOT, Surroundings(system_clock, clients, None, redact=redact))
    finally:
        await clients.close()


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({}, Status.HEALTHY, ""),
        ({"does": "refuse"}, Status.CRITICAL, "connection refused by 127.0.0.1:9"),
        ({"does": "break"}, Status.UNKNOWN, "the client library is broken"),
        ({"does": "crash"}, Status.UNKNOWN, "the check failed: ZeroDivisionError: division by zero"),
        ({"does": "hang", "timeout": "50ms"}, Status.CRITICAL, "no answer within 50ms"),
        ({"conditions": ["value > 2"]}, Status.CRITICAL, "value (1) > 2"),
        ({"conditions": [{"warning": "value > 2"}]}, Status.WARNING, "value (1) > 2"),
        ({"conditions": ["nope > 2"]}, Status.UNKNOWN, "cannot tell: nope (missing) > 2"),
        ({"conditions": ["nope > 2", "value > 2"]}, Status.CRITICAL, "value (1) > 2"),
        ({"conditions": ["nope > 2", {"warning": "value > 2"}]}, Status.UNKNOWN, "cannot tell: nope (missing) > 2"),
        ({"conditions": [{"warning": "nope > 2"}]}, Status.UNKNOWN, "cannot tell: nope (missing) > 2"),
        ({"thresholds": {"value": {"warning": 0, "critical": 5}}}, Status.WARNING, "value (1) <= 0"),
        ({"thresholds": {"value": {"warning": 0, "critical": 0.5}}}, Status.CRITICAL, "value (1) <= 0.5"),
    ],
)
async def test_statuses(fields: dict, status: Status, message: str) -> None:
    result = await run(**fields)
    assert (result.status, result.message) == (status, message)
    assert result.slot == SLOT


async def test_only_failures_to_reach_the_source_count_as_unreachable() -> None:
    assert (await run(does="refuse")).unreachable
    assert (await run(does="hang", timeout="50ms")).unreachable
    assert not (await run(does="crash")).unreachable
    assert not (await run(conditions=["value > 2"])).unreachable


async def test_numbers_become_samples_even_of_a_failed_probe() -> None:
    found = {sample.metric: sample.value for sample in (await run()).samples}
    assert found.keys() == {"value", "response_time_ms"}
    assert {sample.metric for sample in (await run(does="refuse")).samples} == {"value"}


async def test_retries_come_before_a_failure_counts() -> None:
    PROBES.clear()
    result = await run(does="refuse", retries=2, retry_delay="20ms")
    assert result.attempts == 3
    first, second, third = (moment for _, moment in PROBES)
    assert third - second > second - first > 0.015


async def test_no_retry_after_a_good_answer() -> None:
    assert (await run(retries=3)).attempts == 1


async def test_secrets_leave_messages() -> None:
    result = await run(redact=lambda text: text.replace("127.0.0.1", "***"), does="refuse")
    assert result.message == "connection refused by ***:9"
    assert result.errors == ("connection refused by ***:9",)


async def test_forbidden_networks_are_refused_by_address_and_by_name() -> None:
    clients = SharedClients(NetworksSpec(deny=["127.0.0.0/8", "::1/128"]))
    with pytest.raises(NetworkDenied, match=r"localhost \(.*\) lies in a network"):
        await clients.permit("localhost", 80)
    assert not clients.permits("::ffff:127.0.0.1")
    only = SharedClients(NetworksSpec(allow=["10.0.0.0/8"]))
    assert only.permits("10.1.2.3")
    assert not only.permits("192.0.2.1")
    assert not SharedClients(NetworksSpec()).permits("169.254.169.254")


async def test_a_name_that_does_not_resolve_is_a_finding() -> None:
    with pytest.raises(SourceFailure, match="does not resolve"):
        await SharedClients(NetworksSpec()).permit("nowhere.invalid", 80)

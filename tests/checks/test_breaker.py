"""The circuit breaker as a timeline."""

from __future__ import annotations

from monitoring_pipeline.checks.breaker import Breaker, admits, after
from monitoring_pipeline.checks.spec import BreakerSpec
from monitoring_pipeline.records import BreakerState

SPEC = BreakerSpec(failures=3, backoff="10s", max_backoff="60s")
SECOND = 1_000_000


def fail(breaker: Breaker, at_s: int, spec: BreakerSpec = SPEC) -> Breaker:
    return after(breaker, spec, unreachable=True, now_us=at_s * SECOND)


def test_it_opens_after_so_many_failures_in_a_row_and_doubles_its_pause() -> None:
    breaker = fail(fail(Breaker(), 0), 1)
    assert breaker == Breaker(unreachable=2)
    assert admits(breaker, 2 * SECOND)
    breaker = fail(breaker, 2)
    assert (breaker.state, breaker.until_us) == (BreakerState.OPEN, 12 * SECOND)
    assert not admits(breaker, 11 * SECOND)
    assert admits(breaker, 12 * SECOND)
    for at, pause in ((12, 20), (32, 40), (72, 60), (132, 60)):
        breaker = fail(breaker, at)
        assert breaker.until_us == (at + pause) * SECOND


def test_a_success_closes_it_and_forgets() -> None:
    breaker = fail(fail(fail(Breaker(), 0), 1), 2)
    assert after(breaker, SPEC, unreachable=False, now_us=12 * SECOND) == Breaker()
    assert after(fail(Breaker(), 0), SPEC, unreachable=False, now_us=SECOND) == Breaker()


def test_probes_that_were_under_way_when_it_opened_are_no_trial() -> None:
    breaker = fail(fail(fail(Breaker(), 0), 1), 2)
    late = fail(breaker, 3)
    assert (late.until_us, late.opened) == (breaker.until_us, breaker.opened)


def test_switched_off_it_never_opens() -> None:
    breaker, spec = Breaker(), BreakerSpec(enabled=False, failures=1)
    for at in range(10):
        breaker = fail(breaker, at, spec)
    assert admits(breaker, 0)
    assert breaker.unreachable == 10

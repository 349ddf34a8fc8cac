"""Error budgets, burn rates and when a budget will be gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.budget import Budget, budget_of, burn_rate, exhausted_at

NOW = datetime(2026, 5, 10, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = 3_600_000_000


def test_the_budget_is_about_the_whole_period_also_what_is_to_come() -> None:
    budget = budget_of(Account(good=90, bad=10), 0.9, ahead=100)
    assert budget == Budget(pytest.approx(20), 10)
    assert budget.left_share == pytest.approx(0.5)


def test_what_is_excluded_makes_promise_and_budget_smaller() -> None:
    assert budget_of(Account(good=50, excluded=50), 0.9).allowed == pytest.approx(5)


def test_unknown_time_is_apart_or_bad_as_agreed_and_never_good() -> None:
    account = Account(good=80, bad=10, unknown=10)
    assert budget_of(account, 0.9) == Budget(pytest.approx(9), 10)
    assert budget_of(account, 0.9, unknown_is_bad=True) == Budget(pytest.approx(10), 20)


@pytest.mark.parametrize(
    ("account", "rate"),
    [
        (Account(good=100), 0),
        (Account(bad=100), 100),
        (Account(good=99, bad=1), 1),
        (Account(good=99, bad=1, unknown=100, excluded=1000), 1),
        (Account(good=99, bad=1, unknown=101), None),
        (Account(unknown=100), None),
        (Account(excluded=100), None),
        (Account(), None),
    ],
)
def test_the_burn_rate_is_the_bad_share_over_the_share_allowed(account: Account, rate: float | None) -> None:
    assert burn_rate(account, 0.99) == (None if rate is None else pytest.approx(rate))


def test_burning_where_unknown_counts_as_bad() -> None:
    assert burn_rate(Account(good=98, unknown=2), 0.99, unknown_is_bad=True) == pytest.approx(2)


def test_a_calendar_budget_is_gone_when_the_rate_has_eaten_what_is_left() -> None:
    budget = Budget(allowed=10 * HOUR, used=4 * HOUR)
    assert exhausted_at(budget, 0.05, NOW, END) == NOW + timedelta(hours=120)
    assert exhausted_at(budget, 0.001, NOW, END) is None
    assert exhausted_at(budget, 0.0, NOW, END) is None
    assert exhausted_at(Budget(1, 1), 0.0, NOW, END) == NOW


def test_a_rolling_budget_comes_back_when_old_failures_leave_the_window() -> None:
    budget = Budget(allowed=10 * HOUR, used=8 * HOUR)
    end = NOW + timedelta(hours=1_000)
    # All that was spent leaves the window within ten hours.
    found = exhausted_at(budget, 0.01, NOW, end, expired=lambda at: min(8.0, (at - NOW) / timedelta(hours=1)) * HOUR)
    assert found is None or found > NOW + timedelta(hours=900)
    stays = exhausted_at(budget, 0.01, NOW, end, expired=lambda at: 0.0)
    assert stays is not None
    assert abs(stays - (NOW + timedelta(hours=200))) <= timedelta(hours=1)

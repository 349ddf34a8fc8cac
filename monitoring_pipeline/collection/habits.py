"""Whether a collector does worse than it usually does at this time of day. Pure.

The last hour is compared with the same hour of up to fourteen days before. What is measured: by their median and
the median absolute deviation from it (Hampel 1974). What is counted: by how likely so many failures, or so few rows,
are after those days, where the days differ from each other as they do (moments of Kleinman 1973 for shares). A bad day
or two among them change nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitoring_pipeline.collection.tails import beta_binomial_tail, negative_binomial_below
from monitoring_pipeline.store.activity import Stretch

__all__ = ["Usual", "deviations", "usual"]

_FEWEST_DAYS, _FEWEST_ATTEMPTS = 5, 3
_SIGMAS = 4.0
_TO_SIGMA = 1.4826
_DOUBT = 1e-5
"""What is less likely than this is unusual: an hour in ten years of a collector."""
_SURE = 1e-9
_OUTAGE = 25.0
"""Days whose failures are so many percent more than usual are no habit; those with fewer tell how uneven days are."""
_LEAST_SPREAD = 0.05
"""Days differ by so much at least, in shares of their mean."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual: a median, and the deviation of one sigma around it."""

    median: float
    sigma: float

    def span(self, floor: float = 0.0) -> tuple[float, float]:
        """From where to where is ordinary: two sigmas, or `floor`, to either side."""
        reach = max(2 * self.sigma, floor)
        return max(0.0, self.median - reach), self.median + reach


def usual(values: Sequence[float]) -> Usual | None:
    """Median and scaled median absolute deviation; None of fewer than five values."""
    if len(values) < _FEWEST_DAYS:
        return None
    median = statistics.median(values)
    return Usual(median, _TO_SIGMA * statistics.median(abs(value - median) for value in values))


def deviations(hour: Stretch, habits: Sequence[Stretch]) -> list[str]:
    """In what the last hour is worse than usual, a sentence each with both figures; empty while too little is known."""
    found = [_fewer(hour, habits)]
    if hour.attempts >= _FEWEST_ATTEMPTS:
        found += [_failing(hour, habits), _slower(hour, habits), _emptier(hour, habits), _poorer(hour, habits)]
    return [sentence for sentence in found if sentence]


def _failing(hour: Stretch, habits: Sequence[Stretch]) -> str:
    if len(habits) < _FEWEST_DAYS:
        return ""
    rates = [each.failure_rate or 0.0 for each in habits]
    share, strength = _failing_days([habits[day] for day in _like(rates, _OUTAGE)])
    a, b = 1 + strength * (1 - share), 1 + strength * share
    likely = beta_binomial_tail(round(hour.failures), round(hour.attempts), a, b)
    if likely >= _DOUBT:
        return ""
    failed = f"{hour.failures:.0f} of {hour.attempts:.0f} attempts failed in the last hour"
    return f"{failed}, usually {100 * share:.2g} %, {_odds(likely)}"


def _failing_days(days: Sequence[Stretch]) -> tuple[float, float]:
    """The share of failures on these days, and from how many attempts it is as good as known: fewer than there were
    where it differs from day to day by more than chance."""
    attempts = [each.attempts for each in days]
    total = sum(attempts)
    share = sum(each.failures for each in days) / total
    if not 0 < share < 1:
        return share, total
    off = sum((each.failures - share * each.attempts) ** 2 / each.attempts for each in days) / (share * (1 - share))
    by_chance = len(days) - 1
    alike = (off - by_chance) / max(total - sum(count**2 for count in attempts) / total - by_chance, 1e-9)
    alike *= _may_be(by_chance)
    return share, max(0.0, min(total, 1 / alike - 1)) if alike > 0 else total


def _slower(hour: Stretch, habits: Sequence[Stretch]) -> str:
    known = usual(_known(habits, lambda each: each.p50_ms))
    if (
        known is None
        or hour.p50_ms is None
        or hour.p50_ms <= known.median + max(_SIGMAS * known.sigma, known.median / 2)
    ):
        return ""
    low, high = known.span(0.05 * known.median)
    return f"an attempt took {hour.p50_ms:.0f} ms in the last hour, usually {low:.0f}-{high:.0f} ms"


def _emptier(hour: Stretch, habits: Sequence[Stretch]) -> str:
    low = _too_low(hour.rows, hour.counted, [(each.rows, each.counted) for each in habits if each.counted])
    return f"a success brought {hour.rows / hour.counted:.0f} rows in the last hour, {low}" if low else ""


def _poorer(hour: Stretch, habits: Sequence[Stretch]) -> str:
    known = usual(_known(habits, lambda each: each.quality))
    if known is None or hour.quality is None or hour.quality >= known.median - max(_SIGMAS * known.sigma, 5.0):
        return ""
    return f"quality was {hour.quality:.0f} in the last hour, usually {known.median:.0f}"


def _fewer(hour: Stretch, habits: Sequence[Stretch]) -> str:
    known = usual([each.attempts for each in habits])
    # A few attempts an hour come and go by chance; silence is judged apart.
    if known is None or known.median < 2 * _FEWEST_ATTEMPTS:
        return ""
    low = _too_low(hour.attempts, 1, [(each.attempts, 1) for each in habits])
    return f"{hour.attempts:.0f} attempts in the last hour, {low}" if low else ""


def _too_low(count: float, occasions: float, days: Sequence[tuple[float, float]]) -> str:
    """What is usual for one occasion where `count` in so many is too low after the counts and occasions of days."""
    rates = [number / times for number, times in days]
    known = usual(rates)
    if known is None or known.median <= 0 or not occasions:
        return ""
    like = _like(rates, known.median / 20)
    mean = statistics.fmean(rates[day] for day in like)
    chance = mean * statistics.fmean(1 / days[day][1] for day in like)
    # By how much days differ beyond chance; their mean is known from so many days only.
    varied = statistics.variance(rates[day] for day in like) * _may_be(len(like) - 1)
    apart = (varied - chance) * (1 + 1 / len(like)) / mean**2
    likely = negative_binomial_below(count, occasions * mean, max(apart, _LEAST_SPREAD**2) ** 0.5)
    if likely >= _DOUBT:
        return ""
    low, high = known.span(0.05 * known.median)
    return f"usually {low:.0f}-{high:.0f}, {_odds(likely)}"


def _may_be(freedom: int) -> float:
    """By which factor a variance of so many degrees of freedom may be higher than it was found, at 95 % (Wilson &
    Hilferty 1931): about 2.2 times for fourteen days, 5.8 times for five."""
    return float((1 - 2 / (9 * freedom) - 1.645 * (2 / (9 * freedom)) ** 0.5) ** -3)


def _like(values: Sequence[float], least: float) -> list[int]:
    """The places of all values but the oddest fifth, as far as it is beyond four sigmas, or `least`, of the middle."""
    known = usual(values)
    if known is None:
        return list(range(len(values)))
    off = [abs(value - known.median) for value in values]
    oddest = sorted(range(len(values)), key=lambda place: -off[place])[: len(values) // 5]
    left_out = {place for place in oddest if off[place] > max(_SIGMAS * known.sigma, least)}
    return [place for place in range(len(values)) if place not in left_out]


def _odds(likely: float) -> str:
    mantissa, _, exponent = f"{likely:.0e}".partition("e")
    return f"p = {mantissa}e{int(exponent)}" if likely > _SURE else f"p < {_SURE:.0e}".replace("e-0", "e-")


def _known(habits: Sequence[Stretch], of: Callable[[Stretch], float | None]) -> list[float]:
    return [value for each in habits if (value := of(each)) is not None]

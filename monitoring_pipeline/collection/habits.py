"""Whether a collector does worse than it usually does at this time of day. Pure.

The last hour is compared with the same hour of up to fourteen days before: by their median and the median
absolute deviation from it (Hampel 1974), so that a bad day or two among them change nothing. A failure rate has to be
beyond doubt as well: it is the lower end of Wilson's interval (1927) that counts, not the rate of three attempts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitoring_pipeline.store.activity import Stretch

__all__ = ["Usual", "deviations", "usual", "wilson_low"]

_FEWEST_DAYS, _FEWEST_ATTEMPTS = 5, 3
_SIGMAS = 4.0
_TO_SIGMA = 1.4826
_Z = 1.96


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


def wilson_low(failures: float, attempts: float) -> float:
    """The lower end of Wilson's 95 % interval of a failure rate, in percent."""
    share = failures / attempts
    centre = share + _Z**2 / (2 * attempts)
    reach = _Z * math.sqrt(share * (1 - share) / attempts + _Z**2 / (4 * attempts**2))
    return max(0.0, 100.0 * (centre - reach) / (1 + _Z**2 / attempts))


def deviations(hour: Stretch, habits: Sequence[Stretch]) -> list[str]:
    """In what the last hour is worse than usual, a sentence each with both figures; empty while too little is known."""
    found = [_fewer(hour, habits)]
    if hour.attempts >= _FEWEST_ATTEMPTS:
        found += [_failing(hour, habits), _slower(hour, habits), _emptier(hour, habits), _poorer(hour, habits)]
    return [sentence for sentence in found if sentence]


def _failing(hour: Stretch, habits: Sequence[Stretch]) -> str:
    known = usual([each.failure_rate or 0.0 for each in habits])
    if known is None or wilson_low(hour.failures, hour.attempts) <= known.median + max(_SIGMAS * known.sigma, 5.0):
        return ""
    return f"{hour.failure_rate:.0f} % of attempts failed in the last hour, usually {known.median:.0f} %"


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
    known, now = usual(_known(habits, _rows_each)), _rows_each(hour)
    if known is None or now is None or not _is_below(now, known):
        return ""
    low, high = known.span(0.05 * known.median)
    return f"a success brought {now:.0f} rows in the last hour, usually {low:.0f}-{high:.0f}"


def _poorer(hour: Stretch, habits: Sequence[Stretch]) -> str:
    known = usual(_known(habits, lambda each: each.quality))
    if known is None or hour.quality is None or hour.quality >= known.median - max(_SIGMAS * known.sigma, 5.0):
        return ""
    return f"quality was {hour.quality:.0f} in the last hour, usually {known.median:.0f}"


def _fewer(hour: Stretch, habits: Sequence[Stretch]) -> str:
    known = usual([float(each.attempts) for each in habits])
    # A few attempts an hour come and go by chance; silence is judged apart.
    if known is None or known.median < 2 * _FEWEST_ATTEMPTS or not _is_below(float(hour.attempts), known):
        return ""
    low, high = known.span(0.05 * known.median)
    return f"{hour.attempts:.0f} attempts in the last hour, usually {low:.0f}-{high:.0f}"


def _is_below(value: float, known: Usual) -> bool:
    return value < known.median - max(_SIGMAS * known.sigma, known.median / 2)


def _rows_each(stretch: Stretch) -> float | None:
    return stretch.rows / stretch.counted if stretch.counted else None


def _known(habits: Sequence[Stretch], of: Callable[[Stretch], float | None]) -> list[float]:
    return [value for each in habits if (value := of(each)) is not None]

"""How often things fail, how soon somebody notices, takes over, and sets it right.

- A *failure* begins when bad time begins and ends when good time begins. Unknown or excluded time in between
  does not end it, and does not count as part of it.
- MTBF: good time per failure, the mean operating time between failures.
- MTTR: bad time per failure that ended, the mean time to restore. A failure of which the end lies in unknown time
  counts with the bad time that is known, so the true figure may be larger; `hazy` tells how many there are.
- MTTD: from the begin of a failure until an alert about it fired. MTTA: from there until somebody acknowledged.

Figures of components and of the system pool the failures of their sources; each failure has the same weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitoring_pipeline.analysis.sla.spans import Timeline, Verdict

__all__ = ["Answered", "Failure", "Reliability", "failures", "pooled", "reliability"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure, microseconds. `ended` is None while it lasts; `hazy`: its end lies in time that is unknown."""

    began: int
    bad: int
    ended: int | None = None
    hazy: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """An alert about the source: when it fired and when somebody acknowledged it, microseconds."""

    fired: int
    acknowledged: int | None = None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Sums, in microseconds, from which the means are; so they can be pooled."""

    failures: int = 0
    ended: int = 0
    hazy: int = 0
    good_us: int = 0
    repair_us: int = 0
    detected: int = 0
    detect_us: int = 0
    acknowledged: int = 0
    acknowledge_us: int = 0
    unknown_us: int = 0

    @property
    def mtbf_us(self) -> float | None:
        return self.good_us / self.failures if self.failures else None

    @property
    def mttr_us(self) -> float | None:
        return self.repair_us / self.ended if self.ended else None

    @property
    def mttd_us(self) -> float | None:
        return self.detect_us / self.detected if self.detected else None

    @property
    def mtta_us(self) -> float | None:
        return self.acknowledge_us / self.acknowledged if self.acknowledged else None


def failures(spans: Timeline) -> list[Failure]:
    """The failures of a timeline, oldest first. One that is under way when the window begins began with it."""
    found: list[Failure] = []
    began: int | None = None
    bad = 0
    blurred = False
    for start, end, verdict in spans:
        if verdict is Verdict.BAD:
            began = start if began is None else began
            bad, blurred = bad + end - start, False
        elif verdict is Verdict.GOOD and began is not None:
            found.append(Failure(began, bad, start, blurred))
            began, bad = None, 0
        elif verdict is Verdict.UNKNOWN:
            blurred = True
    if began is not None:
        found.append(Failure(began, bad))
    return found


def reliability(spans: Timeline, alerts: Iterable[Answered] = ()) -> Reliability:
    """The figures of one source. An alert belongs to the failure during which it fired, the first one counts."""
    found = failures(spans)
    ended = [each for each in found if each.ended is not None]
    by_time = sorted(alerts, key=lambda alert: alert.fired)
    heard = [(each, alert) for each in found if (alert := _first(each, by_time)) is not None]
    taken = [(alert.fired, alert.acknowledged) for _, alert in heard if alert.acknowledged is not None]
    return Reliability(
        failures=len(found),
        ended=len(ended),
        hazy=sum(each.hazy for each in ended),
        good_us=_length(spans, Verdict.GOOD),
        repair_us=sum(each.bad for each in ended),
        detected=len(heard),
        detect_us=sum(alert.fired - each.began for each, alert in heard),
        acknowledged=len(taken),
        acknowledge_us=sum(acknowledged - fired for fired, acknowledged in taken),
        unknown_us=_length(spans, Verdict.UNKNOWN),
    )


def _length(spans: Timeline, wanted: Verdict) -> int:
    return sum(end - start for start, end, verdict in spans if verdict is wanted)


def _first(failure: Failure, alerts: Sequence[Answered]) -> Answered | None:
    for alert in alerts:
        if alert.fired >= failure.began and (failure.ended is None or alert.fired < failure.ended):
            return alert
    return None


def pooled(parts: Iterable[Reliability]) -> Reliability:
    """Several sources as one."""
    names = Reliability.__slots__
    rows = [[getattr(part, name) for name in names] for part in parts]
    return Reliability(*(sum(column) for column in zip(*rows, strict=True))) if rows else Reliability()

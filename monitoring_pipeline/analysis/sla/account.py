"""What was good, bad, unknown and excluded, in microseconds or in events, and the figures that follow."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring_pipeline.analysis.sla.spans import Timeline, Verdict, clip

__all__ = ["NOTHING", "Account", "of_timeline"]


@dataclass(frozen=True, slots=True)
class Account:
    """Four sums of one unit. Together they are the length of the window, or the number of its events."""

    good: int = 0
    bad: int = 0
    unknown: int = 0
    excluded: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(
            self.good + other.good, self.bad + other.bad, self.unknown + other.unknown, self.excluded + other.excluded
        )

    @property
    def known(self) -> int:
        """What was found good or bad."""
        return self.good + self.bad

    @property
    def relevant(self) -> int:
        """Everything that counts, known or not."""
        return self.good + self.bad + self.unknown

    @property
    def total(self) -> int:
        """All of it."""
        return self.good + self.bad + self.unknown + self.excluded

    @property
    def coverage(self) -> float | None:
        """The share of what counts that is known, 0-1; None when nothing counts."""
        return self.known / self.relevant if self.relevant else None

    @property
    def attained(self) -> float | None:
        """The good share of what is known, 0-1: the best that can be claimed. None when nothing is known."""
        return self.good / self.known if self.known else None

    @property
    def at_least(self) -> float | None:
        """The good share if all that is unknown had been bad, 0-1. None when nothing counts."""
        return self.good / self.relevant if self.relevant else None

    def spent(self, *, unknown_is_bad: bool) -> int:
        """What uses up the error budget."""
        return self.bad + (self.unknown if unknown_is_bad else 0)

    def counted(self, *, unknown_is_bad: bool) -> int:
        """What the promise is about."""
        return self.relevant if unknown_is_bad else self.known


NOTHING = Account()
_ZEROS = dict.fromkeys(Verdict, 0)


def of_timeline(spans: Timeline, start: int | None = None, end: int | None = None) -> Account:
    """The sums of a timeline in microseconds, of all of it or of the part in [start, end)."""
    if start is not None and end is not None:
        spans = clip(spans, start, end)
    sums = _ZEROS.copy()
    for begin, until, verdict in spans:
        sums[verdict] += until - begin
    return Account(sums[Verdict.GOOD], sums[Verdict.BAD], sums[Verdict.UNKNOWN], sums[Verdict.EXCLUDED])

"""When strangeness becomes an alarm: once at its onset, then quiet until it is over or clearly worse.

An episode begins where the evidence crosses a threshold, and ends after half an hour (six points at least) clearly
below it. Each alarm raises the series' own threshold for some days, so a series that alarms daily must show more and
more: a budget of alarms rather than a number of sigmas. Evidence is a logarithm of odds, so the raise is a factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.memory import Floats, Rows
from monitoring_pipeline.analysis.detection.voters import Context

__all__ = ["CRITICAL", "WARNING", "Alarms", "judge", "to_score", "weigh"]

WARNING, CRITICAL = -1.5, 1.0
"""Evidence from which a point is worth a warning, and from which it is critical."""
_FORGETS_DAYS, _RAISE, _MOST_RAISE = 7.0, 0.3, 3.0
_HYSTERESIS, _WORSE = 0.5, 1.5
_LEAST_QUIET, _QUIET_US = 6, 1.8e9
_DAY_US = 86_400e6


@dataclass(frozen=True, slots=True)
class Alarms:
    """Where an alarm is to be raised, and where a critical one."""

    raised: NDArray[np.bool_]
    critical: NDArray[np.bool_]


def to_score(evidence: Floats) -> Floats:
    """The score people see: 2 at the warning threshold, 3 at the critical one, never negative, at most 10."""
    unit = CRITICAL - WARNING
    return np.clip(2 + (evidence - WARNING) / unit, 0.0, 10.0)


def weigh(evidence: Floats, factor: Floats) -> Floats:
    """Evidence as it counts for series whose scores are to be `factor` times as high."""
    unit = CRITICAL - WARNING
    return np.asarray(WARNING + unit * (factor * (2 + (evidence - WARNING) / unit) - 2))


def judge(rows: Rows, at: Context, evidence: Floats, known: NDArray[np.bool_]) -> Alarms:
    """Raises alarms where `known` says that enough was learnt, and remembers them."""
    waited = np.where(np.isnan(rows["last_us"]), 0.0, at.times - rows["last_us"])
    rows["pressure"] *= 0.5 ** (waited / (_FORGETS_DAYS * _DAY_US))
    bar = WARNING + rows["pressure"]
    alarming = rows["alarming"] > 0
    begins = known & ~alarming & (evidence >= bar)
    worse = known & alarming & (evidence >= rows["peak"] + _WORSE)
    escalates = known & (begins | alarming) & (rows["alarming"] < 2) & (evidence >= bar + CRITICAL - WARNING)
    raised = begins | worse | escalates
    rows["peak"] = np.where(raised, evidence, rows["peak"])
    rows["pressure"] = np.where(
        raised, np.minimum(rows["pressure"] + _RAISE / rows["budget"], _MOST_RAISE), rows["pressure"]
    )
    calm = evidence < bar - _HYSTERESIS
    rows["quiet"] = np.where(calm, rows["quiet"] + 1, 0.0)
    rest = np.maximum(_LEAST_QUIET, np.floor(_QUIET_US / np.maximum(rows["interval"], 1.0)))
    over = alarming & (rows["quiet"] >= rest)
    rows["alarming"] = np.where(
        escalates, 2.0, np.where(raised & ~alarming, 1.0, np.where(over, 0.0, rows["alarming"]))
    )
    return Alarms(raised, escalates)

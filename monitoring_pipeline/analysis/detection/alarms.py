"""When strangeness becomes an alarm: once at its onset, then quiet until it is over.

An episode begins where the evidence crosses a threshold, and ends after half an hour (six points at least) clearly
below it. Each alarm raises the series' own threshold for some days, so a series that alarms daily must show more and
more: a budget of alarms rather than a number of sigmas. Evidence is a logarithm of odds, so the raise is a factor.
Warnings and critical alarms are two such sequences, each with a threshold of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.memory import Floats, Rows
from monitoring_pipeline.analysis.detection.voters import Context

__all__ = ["CRITICAL", "WARNING", "Alarms", "judge", "to_score", "weigh"]

WARNING, CRITICAL = -1.4, 0.6
"""Evidence from which a point is worth a warning, and from which it is critical."""
_FORGETS_DAYS, _RAISE, _MOST_RAISE = 3.0, 0.5, 2.0
_HYSTERESIS = 0.5
_LEAST_QUIET, _QUIET_US = 6, 1.8e9
_DAY_US = 86_400e6


@dataclass(frozen=True, slots=True)
class Alarms:
    """Where an alarm is to be raised, and where a critical one."""

    raised: NDArray[np.bool_]
    critical: NDArray[np.bool_]


def to_score(evidence: Floats) -> Floats:
    """The score people see: 2 at the warning threshold, 3 at the critical one, 10 at most; towards 0 ever flatter, so
    that ranks are kept."""
    straight = 2 + (evidence - WARNING) / (CRITICAL - WARNING)
    bent = _BEND * np.exp(np.minimum(straight / _BEND - 1, 0.0))
    return np.minimum(np.where(straight > _BEND, straight, bent), 10.0)


_BEND = 0.5


def weigh(evidence: Floats, factor: Floats) -> Floats:
    """Evidence as it counts for series whose scores are to be `factor` times as high."""
    unit = CRITICAL - WARNING
    return np.asarray(WARNING + unit * (factor * (2 + (evidence - WARNING) / unit) - 2))


def judge(rows: Rows, at: Context, evidence: Floats, known: NDArray[np.bool_]) -> Alarms:
    """Raises alarms where `known` says that enough was learnt, and remembers them."""
    waited = np.where(np.isnan(rows["last_us"]), 0.0, at.times - rows["last_us"])
    kept = 0.5 ** (waited / (_FORGETS_DAYS * _DAY_US))
    rest = np.maximum(_LEAST_QUIET, np.floor(_QUIET_US / np.maximum(rows["interval"], 1.0)))
    critical = _begins(rows, "critical", CRITICAL, evidence, known, kept, rest)
    warning = _begins(rows, "warning", WARNING, evidence, known, kept, rest)
    return Alarms(warning | critical, critical)


def _begins(
    rows: Rows, level: str, threshold: float, evidence: Floats, known: NDArray[np.bool_], kept: Floats, rest: Floats
) -> NDArray[np.bool_]:  # fmt: skip
    """Where episodes of one level begin; `kept` is the share of its raised threshold that is left by now."""
    pressure, quiet, alarming = (rows[f"{level}.{name}"] for name in ("pressure", "quiet", "alarming"))
    pressure *= kept
    bar = threshold + pressure
    begins = known & (alarming == 0) & (evidence >= bar)
    pressure += np.where(begins, np.minimum(_RAISE / rows["budget"], _MOST_RAISE - pressure), 0.0)
    quiet += 1
    quiet *= evidence < bar - _HYSTERESIS
    rows[f"{level}.alarming"] = begins | ((alarming > 0) & (quiet < rest))
    return np.asarray(begins)

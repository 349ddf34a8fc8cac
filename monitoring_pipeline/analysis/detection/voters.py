"""How strange a point is, seen in a dozen ways, and what is learnt from it.

Each voter compares the value with a cheap prediction from the past, or with what was seen before, in units of how
far the series usually is from that:

    level          the day's profile moved to the level of the last hours
    turn           the profile moved to the level of the last two points
    step           the last value
    median_step    the median of the last three values
    unexplained    the nearest of: profile, the same time (5 minutes more or less) yesterday and a week ago
    slot_range     how far outside of what was seen at this time of day lately
    range          how far outside of what was seen at any time lately
    mean_4 .. 64   running means of `level`: small deviations that last
    unrest         running mean of `step`
    plain_level    as `level`, with one scale for the whole day

Everything is a recursion with clipped updates (Huber's idea: an outlier moves an estimate as much as a large ordinary
deviation does), so a point costs the same whatever the history's length. Scales are mean absolute deviations, by hour
of the day, drawn to the whole day's, and never below a share of the range that was seen: near-constant series would
alarm at every flicker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.memory import SLOTS, VOTERS, Floats, Integers, Memory, Rows

__all__ = ["FLOOR", "Context", "Seen", "follow", "learn", "look"]

FLOOR = 0.05
"""Added to strangeness before taking logarithms."""
_HOUR_US = 3.6e9
_CLIP_MEANS, _CLIP_SCALE, _CLIP_LEVEL = 20.0, 4.0, 3.0
_SURE_POINTS = 20.0
_PROFILE_GAIN = 0.2


@dataclass(slots=True)
class Context:
    """Points to be looked at: of which series (columns of the memory), when, on which local day and weekday, how far
    into that day (microseconds), and their values."""

    columns: Integers
    times: Integers
    day: Integers
    weekday: Integers
    into_day: Floats
    values: Floats

    def part(self, places: NDArray[np.bool_]) -> Context:
        """Only some of the points."""
        return Context(*(getattr(self, name)[places] for name in self.__slots__))


@dataclass(slots=True)
class Seen:
    """What was seen in the points: predictions, residuals and scales in units of the values; strangeness (voters,
    points) and the sides of the first four; and facts about the points for the combination."""

    slot: Integers
    hour: Integers
    profile: Floats
    expected: Floats
    level: Floats
    turn: Floats
    step: Floats
    unexplained: Floats
    floor: Floats
    scale_level: Floats
    scale_turn: Floats
    scale_step: Floats
    strange: Floats
    side: Floats
    deviation: Floats
    after_gap: NDArray[np.bool_]
    waited: Floats

    def part(self, places: NDArray[np.bool_]) -> Seen:
        """Of some of the points."""
        return Seen(*(getattr(self, name)[..., places] for name in self.__slots__))


def look(memory: Memory, rows: Rows, at: Context) -> Seen:
    """Judges points by the past only. Writes nothing."""
    slot = (at.into_day / rows["slot_us"]).astype(np.int64)
    hour = (at.into_day / _HOUR_US).astype(np.int64)
    known = rows["points"] > 0
    waited = np.where(known, (at.times - rows["last_us"]) / np.maximum(rows["interval"], 1.0), 1.0)
    after_gap = known & (at.times - rows["last_us"] > np.maximum(10 * rows["interval"], 1.8e9)) & (rows["interval"] > 0)
    span = np.maximum(rows["top"] - rows["bottom"], 0.0)
    floor = np.where(known, 1e-9 + 1e-4 * np.abs(rows["mean"]) + 0.002 * span, 1.0)
    deviation = np.maximum(rows["deviation"], floor)

    own, predicted = _profile(memory, rows, at, slot)
    expected = predicted + rows["away"]
    level, turn = at.values - expected, at.values - predicted - rows["near"]
    last = np.where(known, rows["last"], at.values)
    step = np.where(after_gap, 0.0, at.values - last)
    unexplained = _unexplained(memory, rows, at, slot, level)
    scales = _scales(memory, rows, at, hour, floor)

    strange = np.empty((len(VOTERS), len(at.values)))
    standard = level / scales[0], turn / scales[1], step / scales[2]
    for place, each in enumerate(standard):
        np.abs(each, out=strange[place])
    strange[3] = _beyond(*_slot_range(memory, rows, at, slot), at.values) / scales[0] * known
    strange[4] = unexplained / np.maximum(rows["scale_unexplained"], floor)
    strange[5] = _beyond(rows["bottom"], rows["top"], at.values) / scales[0] * known
    _running(rows, standard, strange)
    low, high = np.minimum(rows["last"], rows["last_2"]), np.maximum(rows["last"], rows["last_2"])
    middle = np.where(known, np.maximum(low, np.minimum(high, rows["last_3"])), at.values)
    strange[10] = np.where(after_gap, 0.0, np.abs(at.values - middle)) / scales[2]
    strange[11] = np.abs(level) / np.maximum(rows["scale_level"], floor)
    side = np.stack([level, turn, step, level])
    return Seen(
        slot, hour, own, expected, level, turn, step, unexplained, floor, *scales, strange, side, deviation, after_gap,
        waited,
    )  # fmt: skip


def _profile(memory: Memory, rows: Rows, at: Context, slot: Integers) -> tuple[Floats, Floats]:
    """The profile's value in the slot, and the profile between the middles of slots."""
    profile, points = memory.table("profile"), memory.table("profile_points")
    past_middle = at.into_day / rows["slot_us"] - slot - 0.5
    beside = slot + np.where(past_middle > 0, 1, -1)
    beside = _wrapped(beside, rows)
    own = np.where(points.at(slot, at.columns) > 0, profile.at(slot, at.columns), rows["mean"])
    own = np.where(rows["points"] > 0, own, at.values)
    other = np.where(points.at(beside, at.columns) > 0, profile.at(beside, at.columns), own)
    return own, own + (other - own) * np.abs(past_middle)


def _wrapped(slot: Integers, rows: Rows) -> Integers:
    slots = rows["slots"].astype(np.int64)
    return np.where(slot < 0, slots - 1, np.where(slot >= slots, 0, slot))


def _unexplained(memory: Memory, rows: Rows, at: Context, slot: Integers, level: Floats) -> Floats:
    week = memory.table("week")
    least = np.abs(level)
    for near in (slot, _wrapped(slot - 1, rows), _wrapped(slot + 1, rows)):
        for back in (0, 1):
            day = (at.weekday - back) % 7
            np.fmin(least, np.abs(at.values - week.at(day * SLOTS + near, at.columns)), out=least)
    return least


def _slot_range(memory: Memory, rows: Rows, at: Context, slot: Integers) -> tuple[Floats, Floats]:
    """The lowest and highest of this time of day; of any time where nothing is known."""
    highs, lows = memory.table("high"), memory.table("low")
    before, after = _wrapped(slot - 1, rows), _wrapped(slot + 1, rows)
    high = np.fmax(np.fmax(highs.at(before, at.columns), highs.at(after, at.columns)), highs.at(slot, at.columns))
    low = np.fmin(np.fmin(lows.at(before, at.columns), lows.at(after, at.columns)), lows.at(slot, at.columns))
    unknown = np.isnan(high)
    return np.where(unknown, rows["bottom"], low), np.where(unknown, rows["top"], high)


def _beyond(low: Floats, high: Floats, values: Floats) -> Floats:
    return np.maximum(np.maximum(values - high, low - values), 0.0)


def _scales(memory: Memory, rows: Rows, at: Context, hour: Integers, floor: Floats) -> tuple[Floats, Floats, Floats]:
    """Usual distances of level, turn and step at this hour."""
    enough = memory.table("hour_points").at(hour, at.columns) > rows["a_day"] / 12

    def scale(name: str) -> Floats:
        whole = rows[f"scale_{name}"]
        own = np.where(enough, memory.table(f"hour_{name}").at(hour, at.columns), whole)
        return np.maximum(0.3 * whole + 0.7 * own, floor)

    return scale("level"), scale("turn"), scale("step")


def _running(rows: Rows, standard: tuple[Floats, Floats, Floats], strange: Floats) -> None:
    """The running means as they are with this point."""
    level = np.clip(standard[0], -_CLIP_MEANS, _CLIP_MEANS)
    for place, (name, gain) in enumerate(_MEANS):
        strange[6 + place] = np.abs(rows[name] + gain * (level - rows[name]))
    strange[9] = rows["unrest"] + 0.12 * (np.minimum(np.abs(standard[2]), _CLIP_MEANS) - rows["unrest"])


_MEANS = (("mean_4", 0.3), ("mean_16", 0.08), ("mean_64", 0.02))


def follow(rows: Rows, at: Context, seen: Seen) -> None:
    """Short memory: takes every point as the latest."""
    level = np.clip(seen.level / seen.scale_level, -_CLIP_MEANS, _CLIP_MEANS)
    for name, gain in _MEANS:
        rows[name] += gain * (level - rows[name])
    rows["unrest"] = seen.strange[9]
    sure = rows["points"] >= _SURE_POINTS
    limit = np.where(sure, _CLIP_SCALE * seen.scale_turn, np.inf)
    rows["near"] += 0.3 * np.clip(seen.turn, -limit, limit)
    first = rows["points"] == 0
    changed = first | (at.values != rows["last"])
    rows["same"] = np.where(changed, 0.0, rows["same"] + 1)
    rows["last_3"] = np.where(first, at.values, rows["last_2"])
    rows["last_2"] = np.where(first, at.values, rows["last"])
    rows["last"] = at.values
    rows["last_us"] = at.times
    rows["points"] += 1


def learn(memory: Memory, rows: Rows, at: Context, seen: Seen) -> None:
    """Long memory: learns from the points, all of which may train."""
    rows["learnt"] += 1
    learnt, a_day = rows["learnt"], rows["a_day"]
    sure = learnt > _SURE_POINTS
    _learn_scales(memory, rows, at, seen, sure)
    week = np.maximum(1 / learnt, 1 / (7 * a_day))
    far = np.abs(at.values - rows["mean"])
    limit = np.where(learnt > 50, 5 * seen.deviation, np.inf)
    rows["deviation"] += week * (np.minimum(far, limit) - rows["deviation"])
    _learn_profile(memory, rows, at, seen, sure)
    first = learnt == 1
    rows["mean"] = np.where(first, at.values, rows["mean"] + week * (at.values - rows["mean"]))
    fading = 1 / (14 * a_day)
    top, bottom, mean = rows["top"], rows["bottom"], rows["mean"]
    rows["top"] = np.where(first, at.values, np.maximum(at.values, top - fading * (top - mean)))
    rows["bottom"] = np.where(first, at.values, np.minimum(at.values, bottom + fading * (mean - bottom)))
    rows["lively"] += 0.01 * ((rows["same"] == 0) - rows["lively"])


def _learn_scales(memory: Memory, rows: Rows, at: Context, seen: Seen, sure: NDArray[np.bool_]) -> None:
    gain = np.maximum(1 / rows["learnt"], 1 / (3 * rows["a_day"]))
    counts = memory.table("hour_points")
    points = counts.at(seen.hour, at.columns) + 1
    counts.put(seen.hour, at.columns, points)
    hour_gain = np.maximum(1 / points, 24 / (5 * rows["a_day"]))
    residuals = {"level": seen.level, "turn": seen.turn, "step": seen.step, "unexplained": seen.unexplained}
    for name, residual in residuals.items():
        far, whole = np.abs(residual), rows[f"scale_{name}"]
        whole += gain * (np.minimum(far, np.where(sure, _CLIP_SCALE * np.maximum(whole, seen.floor), np.inf)) - whole)
        if name == "unexplained":
            continue
        table = memory.table(f"hour_{name}")
        own = table.at(seen.hour, at.columns)
        limit = np.where(sure, _CLIP_SCALE * getattr(seen, f"scale_{name}"), np.inf)
        table.put(seen.hour, at.columns, own + hour_gain * (np.minimum(far, limit) - own))


def _learn_profile(memory: Memory, rows: Rows, at: Context, seen: Seen, sure: NDArray[np.bool_]) -> None:
    slot, columns, a_slot = seen.slot, at.columns, rows["a_slot"]
    profile, counts = memory.table("profile"), memory.table("profile_points")
    points = counts.at(slot, columns) + 1
    counts.put(slot, columns, points)
    gain = np.maximum(1 / points, 1 - (1 - _PROFILE_GAIN) ** (1 / a_slot))
    limit = np.where(points > a_slot, 4 * seen.scale_level + np.abs(rows["away"]), np.inf)
    learnt = seen.profile + gain * np.clip(at.values - seen.profile, -limit, limit)
    profile.put(slot, columns, learnt)

    limit = np.where(sure, _CLIP_LEVEL * seen.scale_level, np.inf)
    rows["away"] += rows["slow"] * np.clip(seen.level, -limit, limit)
    fading = 0.13 / a_slot
    high, low = memory.table("high"), memory.table("low")
    old = high.at(slot, columns)
    high.put(slot, columns, np.fmax(at.values, old - fading * np.maximum(old - learnt, 0.0)))
    old = low.at(slot, columns)
    low.put(slot, columns, np.fmin(at.values, old + fading * np.maximum(learnt - old, 0.0)))

    week, days = memory.table("week"), memory.table("week_day")
    cell = at.weekday * SLOTS + slot
    today = days.at(cell, columns) == at.day
    old = week.at(cell, columns)
    week.put(cell, columns, np.where(today, old + 0.4 * (at.values - old), at.values))
    days.put(cell, columns, at.day.astype(np.float64))

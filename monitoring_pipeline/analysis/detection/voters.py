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
    hold_6, 25     running means of `level` cut at three: only what lasts makes them large
    least_3        the least of the last three levels on one side
    contrast       a quick running mean of the values against a lazy one
    bend           the second difference

Everything is a recursion with clipped updates (Huber's idea: an outlier moves an estimate as much as a large ordinary
deviation does), so a point costs the same whatever the history's length. Scales are mean absolute deviations, by hour
of the day, drawn to the whole day's, and never below a share of the range that was seen: near-constant series would
alarm at every flicker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.memory import SLOTS, VOTERS, Floats, Integers, Memory, Rows

__all__ = ["FLOOR", "Context", "Seen", "follow", "learn", "look"]

FLOOR = 0.05
"""Added to strangeness before taking logarithms."""
_HOUR_US = 3.6e9
_CLIP_MEANS, _CLIP_SCALE, _CLIP_LEVEL = 20.0, 4.0, 3.0
_SURE_POINTS = 20.0


Cells: TypeAlias = tuple[Integers, Integers, Integers]


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
    points) and the sides of the first four; where the tables know the slot and hour."""

    cell: Integers
    week_cell: Integers
    hour_cell: Integers
    profile: Floats
    expected: Floats
    level: Floats
    turn: Floats
    step: Floats
    unexplained: Floats
    contrast: Floats
    bend: Floats
    floor: Floats
    scale_level: Floats
    scale_turn: Floats
    scale_step: Floats
    strange: Floats
    side: Floats
    deviation: Floats
    waited: Floats

    def part(self, places: NDArray[np.bool_]) -> Seen:
        """Of some of the points."""
        return Seen(*(getattr(self, name)[..., places] for name in self.__slots__))


def look(memory: Memory, rows: Rows, at: Context) -> Seen:
    """Judges points by the past only. Writes nothing."""
    known, values = rows["points"] > 0, at.values
    place, cells = _cells(memory, rows, at)
    waited_us = np.where(known, at.times - rows["last_us"], 0.0)
    interval = rows["interval"]
    after_gap = (waited_us > np.maximum(10 * interval, 1.8e9)) & (interval > 0)
    span = rows["top"] - rows["bottom"]
    floor = np.where(known, 1e-9 + 1e-4 * np.abs(rows["mean"]) + 0.002 * span, 1.0)
    own, predicted = _profile(memory, rows, values, place, cells)
    expected = predicted + rows["away"]
    level, turn = values - expected, values - predicted - rows["near"]
    last, last_2, last_3 = (np.where(known, rows[name], values) for name in ("last", "last_2", "last_3"))
    step = np.where(after_gap, 0.0, values - last)
    week_cell, unexplained = _unexplained(memory, at, cells, level)
    hour_cell, scales = _scales(memory, rows, at, floor)
    standard = level / scales[0], turn / scales[1], step / scales[2]

    strange = np.empty((len(VOTERS), len(values)))
    for number, each in enumerate(standard):
        np.abs(each, out=strange[number])
    strange[3] = _beyond(*_slot_range(memory, rows, cells), values) / scales[0] * known
    strange[4] = unexplained / np.maximum(rows["scale_unexplained"], floor)
    strange[5] = _beyond(rows["bottom"], rows["top"], values) / scales[0] * known
    _running(rows, standard, strange)
    middle = np.maximum(np.minimum(last, last_2), np.minimum(np.maximum(last, last_2), last_3))
    strange[10] = np.where(after_gap, 0.0, np.abs(values - middle)) / scales[2]
    strange[11] = np.abs(level) / np.maximum(rows["scale_level"], floor)
    _lasting(rows, standard[0], strange)
    contrast = np.where(known, 0.75 * rows["quick"] + 0.25 * values - rows["lazy"], 0.0)
    bend = np.where(after_gap, 0.0, values - 2 * last + last_2)
    strange[15] = np.abs(contrast) / np.maximum(rows["scale_contrast"], floor)
    strange[16] = np.abs(bend) / np.maximum(rows["scale_bend"], floor)
    return Seen(
        cells[0], week_cell, hour_cell, own, expected, level, turn, step, unexplained, contrast, bend, floor, *scales,
        strange, np.stack([level, turn, step, level]), np.maximum(rows["deviation"], floor),
        np.where(known & (interval > 0), waited_us / np.maximum(interval, 1.0), 1.0),
    )  # fmt: skip


def _cells(memory: Memory, rows: Rows, at: Context) -> tuple[Floats, Cells]:
    """How far each point is into its slot (0 to 1), and where tables know the slot and the ones before and after."""
    place = at.into_day / rows["slot_us"]
    slot, last = place.astype(np.int64), rows["slots"].astype(np.int64) - 1
    np.minimum(slot, last, out=slot)
    before, after = np.where(slot > 0, slot - 1, last), np.where(slot < last, slot + 1, 0)
    cells = memory.cells(slot, at.columns), memory.cells(before, at.columns), memory.cells(after, at.columns)
    return place - slot, cells


def _profile(memory: Memory, rows: Rows, values: Floats, place: Floats, cells: Cells) -> tuple[Floats, Floats]:
    """The profile's value in the slot, and the profile between the middles of slots."""
    profile, points = memory.table("profile"), memory.table("profile_points")
    slot, before, after = cells
    beside = np.where(place > 0.5, after, before)
    own = np.where(points.take(slot) > 0, profile.take(slot), rows["mean"])
    own = np.where(rows["points"] > 0, own, values)
    other = np.where(points.take(beside) > 0, profile.take(beside), own)
    return own, own + (other - own) * np.abs(place - 0.5)


def _unexplained(memory: Memory, at: Context, cells: Cells, level: Floats) -> tuple[Integers, Floats]:
    """Where the week's table knows the slot, and the distance to the nearest of what it knows and of the level."""
    week, least = memory.table("week"), np.abs(level)
    today = memory.cells(at.weekday * SLOTS)
    yesterday = memory.cells((at.weekday - 1) % 7 * SLOTS)
    for cell in cells:
        for day in (today, yesterday):
            np.fmin(least, np.abs(at.values - week.take(day + cell)), out=least)
    return today + cells[0], least


def _slot_range(memory: Memory, rows: Rows, cells: Cells) -> tuple[Floats, Floats]:
    """The lowest and highest of this time of day; of any time where nothing is known."""
    highs, lows = memory.table("high"), memory.table("low")
    high, low = highs.take(cells[0]), lows.take(cells[0])
    for cell in cells[1:]:
        np.fmax(high, highs.take(cell), out=high)
        np.fmin(low, lows.take(cell), out=low)
    return np.fmin(low, np.where(np.isnan(low), rows["bottom"], np.inf)), np.fmax(
        high, np.where(np.isnan(high), rows["top"], -np.inf)
    )


def _beyond(low: Floats, high: Floats, values: Floats) -> Floats:
    return np.maximum(np.maximum(values - high, low - values), 0.0)


def _scales(memory: Memory, rows: Rows, at: Context, floor: Floats) -> tuple[Integers, tuple[Floats, Floats, Floats]]:
    """Where tables know the hour, and the usual distances of level, turn and step in it."""
    cell = memory.cells((at.into_day / _HOUR_US).astype(np.int64), at.columns)
    enough = memory.table("hour_points").take(cell) > rows["a_day"] / 12

    def scale(name: str) -> Floats:
        whole = rows[f"scale_{name}"]
        own = np.where(enough, memory.table(f"hour_{name}").take(cell), whole)
        return np.maximum(0.3 * whole + 0.7 * own, floor)

    return cell, (scale("level"), scale("turn"), scale("step"))


def _running(rows: Rows, standard: tuple[Floats, Floats, Floats], strange: Floats) -> None:
    """The running means as they are with this point."""
    level = np.clip(standard[0], -_CLIP_MEANS, _CLIP_MEANS)
    for place, (name, gain) in enumerate(_MEANS):
        np.abs(rows[name] + gain * (level - rows[name]), out=strange[6 + place])
    strange[9] = rows["unrest"] + 0.12 * (np.minimum(strange[2], _CLIP_MEANS) - rows["unrest"])


def _lasting(rows: Rows, level: Floats, strange: Floats) -> None:
    """How much of the deviation lasts: running means of what is cut, and the least of three on one side."""
    cut = np.clip(level, -_CUT, _CUT)
    for place, (name, gain) in enumerate(_HOLDS):
        np.abs(rows[name] + gain * (cut - rows[name]), out=strange[12 + place])
    highest = np.minimum(np.minimum(level, rows["level_1"]), rows["level_2"])
    lowest = np.maximum(np.maximum(level, rows["level_1"]), rows["level_2"])
    strange[14] = np.maximum(np.maximum(highest, -lowest), 0.0)


_MEANS = (("mean_4", 0.3), ("mean_16", 0.08), ("mean_64", 0.02))
_CUT, _HOLDS = 3.0, (("hold_6", 0.15), ("hold_25", 0.04))


def follow(rows: Rows, at: Context, seen: Seen) -> None:
    """Short memory: takes every point as the latest."""
    standard = seen.level / seen.scale_level
    for limit, means in ((_CLIP_MEANS, _MEANS), (_CUT, _HOLDS)):
        level = np.clip(standard, -limit, limit)
        for name, gain in means:
            row = rows[name]
            row += gain * (level - row)
    rows["level_2"] = rows["level_1"]
    rows["level_1"] = standard
    rows["unrest"] = seen.strange[9]
    most = _if(rows["points"] >= _SURE_POINTS, _CLIP_SCALE * seen.scale_turn)
    near, values = rows["near"], at.values
    near += 0.3 * np.clip(seen.turn, -most, most)
    first = rows["points"] == 0
    for name, source in (("last_3", rows["last_2"]), ("last_2", rows["last"])):
        rows[name] = source
    rows["same"] = np.where(values == rows["last"], rows["same"] + 1, 0.0)
    rows["last"], rows["last_us"] = values, at.times
    for name, gain in (("quick", 0.25), ("lazy", 0.03)):
        row = rows[name]
        row += gain * (values - row)
    if first.any():
        for name in ("last_2", "last_3", "quick", "lazy"):
            rows[name] = np.where(first, values, rows[name])
    points = rows["points"]
    points += 1


def _if(sure: NDArray[np.bool_], limit: Floats) -> Floats:
    """The limit where enough is known to have one."""
    return limit if sure.all() else np.where(sure, limit, np.inf)


def learn(memory: Memory, rows: Rows, at: Context, seen: Seen) -> None:
    """Long memory: learns from the points, all of which may train."""
    learnt, a_day, values = rows["learnt"], rows["a_day"], at.values
    learnt += 1
    sure = learnt > _SURE_POINTS
    _learn_scales(memory, rows, seen, sure)
    week = np.maximum(1 / learnt, 1 / (7 * a_day))
    far = np.minimum(np.abs(values - rows["mean"]), _if(learnt > 50, 5 * seen.deviation))
    deviation = rows["deviation"]
    deviation += week * (far - deviation)
    _learn_profile(memory, rows, at, seen, sure)
    first, fading = learnt == 1, 1 / (14 * a_day)
    top, bottom, mean = rows["top"], rows["bottom"], rows["mean"]
    mean += week * (values - mean)
    rows["top"] = np.maximum(values, top - fading * (top - mean))
    rows["bottom"] = np.minimum(values, bottom + fading * (mean - bottom))
    if first.any():
        for name in ("mean", "top", "bottom"):
            rows[name] = np.where(first, values, rows[name])
    lively = rows["lively"]
    lively += 0.01 * ((rows["same"] == 0) - lively)


def _learn_scales(memory: Memory, rows: Rows, seen: Seen, sure: NDArray[np.bool_]) -> None:
    gain = np.maximum(1 / rows["learnt"], 1 / (3 * rows["a_day"]))
    counts, cell = memory.table("hour_points"), seen.hour_cell
    points = counts.take(cell) + 1
    counts[cell] = points
    hour_gain = np.maximum(1 / points, 24 / (5 * rows["a_day"]))
    for name in _RESIDUALS:
        far, whole = np.abs(getattr(seen, name)), rows[f"scale_{name}"]
        limit = _if(sure, _CLIP_SCALE * np.maximum(whole, seen.floor))
        whole += gain * (np.minimum(far, limit) - whole)
        if name in _BY_HOUR:
            table = memory.table(f"hour_{name}")
            own = table.take(cell)
            limit = _if(sure, _CLIP_SCALE * getattr(seen, f"scale_{name}"))
            table[cell] = own + hour_gain * (np.minimum(far, limit) - own)


_BY_HOUR = ("level", "turn", "step")
_RESIDUALS = (*_BY_HOUR, "unexplained", "contrast", "bend")


def _learn_profile(memory: Memory, rows: Rows, at: Context, seen: Seen, sure: NDArray[np.bool_]) -> None:
    cell, values, a_slot = seen.cell, at.values, rows["a_slot"]
    profile, counts = memory.table("profile"), memory.table("profile_points")
    points = counts.take(cell) + 1
    counts[cell] = points
    gain = np.maximum(1 / points, rows["gain"])
    limit = _if(points > a_slot, 4 * seen.scale_level + np.abs(rows["away"]))
    learnt = seen.profile + gain * np.clip(values - seen.profile, -limit, limit)
    profile[cell] = learnt

    limit = _if(sure, _CLIP_LEVEL * seen.scale_level)
    away = rows["away"]
    away += rows["slow"] * np.clip(seen.level, -limit, limit)
    fading = 0.13 / a_slot
    for name, extreme, side in (("high", np.fmax, 1.0), ("low", np.fmin, -1.0)):
        table = memory.table(name)
        old = table.take(cell)
        table[cell] = extreme(values, old - side * fading * np.maximum(side * (old - learnt), 0.0))

    week, days = memory.table("week"), memory.table("week_day")
    today = days.take(seen.week_cell) == at.day
    old = week.take(seen.week_cell)
    week[seen.week_cell] = np.where(today, old + 0.4 * (values - old), values)
    days[seen.week_cell] = at.day

"""One point of one series: how strange is it, does somebody have to know, and what is learnt from it. Compiled.

**Voters** compare the value with a cheap prediction from the past, or with what was seen before, in units of how far
the series usually is from that:

    level          the day's profile (that of working days or days off, or of the weekday, where it was nearer lately)
                   moved to the level of the last hours
    turn           the profile moved to the level of the last two points
    step           the last value
    unexplained    the nearest of: level, the same time (a slot more or less) yesterday, on this weekday, on the last
                   day on which a month was closed where this is one
    mean_4 .. 64   running means of `level`: small deviations that last
    unrest         running mean of `step`
    hold_6, 25     running means of `level` cut at three: only what lasts makes them large

Everything is a recursion with clipped updates (Huber's idea: an outlier moves an estimate as much as a large ordinary
deviation does), so a point costs the same whatever the history's length. Scales are mean absolute deviations, weighted
by hour of the day, and never below a share of the range that was seen: near-constant series would alarm at every
flicker.

**Loudness**: a threshold in standard deviations means one alarm a month for one series and twenty a day for another.
So voters are measured, in logarithms, against the loudest of each day of their own past, and of the last points. Where
no voter is about as loud as it daily is, a point is ordinary. For the others trees weigh the evidence (`combination`).

**Alarms**: an episode begins where the evidence crosses a threshold, and ends after half an hour (six points at least)
clearly below it. Each alarm raises the series' own threshold for some days: a budget of alarms rather than a number of
sigmas. Evidence is a logarithm of odds, so the raise is a factor. Warnings and critical alarms are two such sequences.

**Events** that are no matter of one value, the rarer first:

- flatline: a lively series repeats one value for three times as long as it ever did lately, 12 points at least;
- level shift: the sum of deviations beyond an ordinary one (Page's CUSUM, Biometrika 1954) passes a limit; once in
  half a day;
- gap: the first point after a pause of more than five intervals and twice the longest pause lately.

What is compiled sees the functions of its own file only, see `compiled`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import DAY_US, HOUR_US
from monitoring_pipeline.analysis.detection.combination import Trees
from monitoring_pipeline.analysis.detection.compiled import compiled
from monitoring_pipeline.analysis.detection.points import ASKED, Heard, Points, Scored
from monitoring_pipeline.analysis.detection.state import (
    DAYS,
    FLATLINE,
    GAP,
    LEVEL_SHIFT,
    LOGARITHM,
    NONE,
    PAUSES,
    ROOT,
    SIDED,
    SLOTS,
    SPIKE,
    STREAMS,
    VOTERS,
    Tables,
)

__all__ = ["advance", "set_interval"]

Array = NDArray[Any]
Own = Any
"""A record of `state.SERIES`: mypy does not know its fields."""

_BAND = 3.5  # the normal range, either side of what is expected, in mean absolute deviations
_MINUTE_US = 60e6
_LEVEL, _TURN, _STEP, _UNEXPLAINED = range(4)
_CLIP_MEANS, _CLIP_HOLDS, _CLIP_SCALE, _CLIP_LEVEL = 20.0, 3.0, 4.0, 3.0
_SURE_POINTS, _LEAST_POINTS, _LEAST_DAYS = 20, 20, 2
_KINDS_DAYS, _WEEKS_DAYS, _NEARER = 8, 21, 0.9
_FRIDAY = 4
_NEAR_US = 900e6  # slots as short as this are like those beside them
_SEVERAL = 1.5
_QUIETEST = 0.05  # added to strangeness before it is compared
_FADES = 0.94
_USUAL_DAYS = 10
_ORDINARY, _OPPOSITE, _LEAST = -7.7, -9.0, -6.5
_FORGETS, _RAISE, _MOST_RAISE, _HYSTERESIS = math.log(2) / (3 * DAY_US), 0.5, 3.0, 0.7
_NO_PRESSURE = 1e-3
_LEAST_QUIET, _QUIET_US = 6.0, 1.8e9
_FLAT_POINTS, _FLAT_TIMES, _LIVELY = 12.0, 3.0, 0.5
_GAP_INTERVALS, _GAP_TIMES = 5.0, 2.0
_SHIFT_ALLOWED, _SHIFT_LIMIT, _SHIFT_CLIP = 1.0, 40.0, 4.0
_FIRST_TREES, _HOPELESS, _REST_OF_HOPELESS = 100, -4.0, -1.4
_BEND, _ECHO_FADES, _MOST_ECHO = 0.5, 0.1, 1.9


@compiled
def advance(
    series: Array, tables: Tables, points: Points, trees: Trees, scored: Scored, heard: Heard, first: int, end: int
) -> int:  # fmt: skip
    """Takes the points of the series numbered from `first` to before `end`, in their order; a series may come several
    times, its points in the order of their moments. Threads may take different series of the same points.

    What is found is written to `scored`, what trees are asked to `heard` as long as there is room; the number of such
    points is returned.
    """
    strange = np.empty(len(VOTERS))
    asked = np.empty(ASKED, np.float32)
    unit = trees.critical - trees.warning
    count = 0
    for i in range(len(points.columns)):
        column = points.columns[i]
        if not first <= column < end:
            continue
        value = points.values[i]
        if not np.isfinite(value):
            scored.score[i], scored.event[i] = 0.0, NONE
            scored.expected[i] = scored.low[i] = scored.high[i] = np.nan
            scored.learning[i] = scored.is_alert[i] = scored.is_critical[i] = False
            continue
        own, time = series[column], points.times[i]
        x = _forward(own.transform, value)
        _take_interval(own, time)
        day = points.local[i] // DAY_US
        into = float(points.local[i] - day * DAY_US)
        known = own.points > 0
        waited_us = time - own.last_us if known else 0.0
        interval = max(own.interval, 1.0)
        waited = waited_us / interval if known and own.interval > 0 else 1.0
        after_gap = waited_us > max(10 * interval, 30 * _MINUTE_US) and own.interval > 0

        slot, beside, share = _place(own, into)
        at, closes = points.weekdays[i] * SLOTS, points.closes[i]
        off = 1 if points.weekdays[i] > _FRIDAY else 0
        by_day = _between(tables.profile, slot, beside, share, column, own.mean if known else x)
        by_kind = _known_after(own, _KINDS_DAYS, tables.kind, off * SLOTS + slot, off * SLOTS + beside, share, column)
        by_week = _known_after(own, _WEEKS_DAYS, tables.week, at + slot, at + beside, share, column)
        predicted = _nearest(own, by_day, by_kind, by_week)
        away = own.away
        mean_x = predicted + away
        level, turn = x - mean_x, x - predicted - own.near
        step = 0.0 if after_gap or not known else x - own.last
        floor = 1e-9 + 1e-4 * abs(own.mean) + 0.002 * (own.top - own.bottom) if known else 1.0
        unexplained = _unexplained(own, tables, slot, day, at, closes, column, x, abs(level))
        weight = _weight(own, tables.hour, into, column, floor)
        scale = max(own.scale_level * weight, floor)
        scale_turn = max(own.scale_turn * weight, floor)
        scale_step = max(own.scale_step * weight, floor)

        _look(own, strange, level / scale, turn / scale_turn, step / scale_step)
        strange[_UNEXPLAINED] = unexplained / max(own.scale_unexplained, floor)
        if day != own.day and own.today[0] > 0:
            _close_day(own)
        enough = own.learnt >= _LEAST_POINTS and own.days >= _LEAST_DAYS
        loudest = _loudest(own, strange)
        deviation = max(own.deviation, floor)
        evidence = _ORDINARY + min(loudest, trees.questioned)
        if enough and loudest > trees.questioned:
            _ask(own, asked, strange, level, turn, step)
            _state_facts(
                own, asked, x, level, turn, step, unexplained, mean_x, floor, deviation, scale, away, waited,
            )  # fmt: skip
            evidence = max(_weigh(asked, trees), _LEAST)
            if count < len(heard.places):
                heard.asked[count] = asked
                heard.places[count] = i
                count += 1
        evidence = trees.warning + unit * (own.factor * (2 + (evidence - trees.warning) / unit) - 2)
        if own.direction * level < 0:
            evidence = _OPPOSITE

        scored.score[i] = _score(own, 2 + (evidence - trees.warning) / unit) if enough else 0.0
        scored.expected[i], scored.low[i], scored.high[i] = _normal(own.transform, mean_x, _BAND * scale)
        scored.learning[i] = not enough
        begins, worsens = _judge(own, trees, evidence, enough, waited_us)
        scored.is_alert[i], scored.is_critical[i] = begins or worsens, worsens

        learns = points.trains[i] and own.interval > 0
        _remember(own, strange, level, turn, step, learns and own.learnt >= _LEAST_POINTS)
        _follow(own, x, time, turn, scale_turn)
        if learns:
            own.learnt += 1
            _learn_scales(own, abs(level), abs(turn), abs(step), unexplained, floor)
            _learn_hour(own, tables.hour, into, column, abs(level), scale)
            _learn_day(own, tables, slot, off, column, x, scale)
            _learn_week(own, tables, slot, day, at, closes, column, x, scale)
            _compare(own, abs(x - by_day), abs(x - by_kind), abs(x - by_week), 5 * deviation)
            _learn_range(own, x, deviation)
            limit = _CLIP_LEVEL * scale if own.learnt > _SURE_POINTS else np.inf
            own.away += own.slow * _clip(level, limit)
        scored.event[i] = _happening(own, level / scale, waited, learns, enough, begins or worsens)
        own.day, own.slot = day, slot
    return count


@compiled
def _clip(x: float, limit: float) -> float:
    return min(max(x, -limit), limit)


@compiled
def _forward(kind: float, x: float) -> float:
    """The value on the scale on which it varies alike at every level."""
    if kind == LOGARITHM:
        return math.log(max(x, 1e-6))
    return 2 * math.sqrt(max(x, 0.0) + 0.375) if kind == ROOT else x


@compiled
def _normal(kind: float, expected: float, half: float) -> tuple[float, float, float]:
    """What is expected and the ends of the normal range, in units of the value."""
    if kind == LOGARITHM:
        middle, times = math.exp(min(expected, 300.0)), math.exp(min(half, 300.0))
        return middle, middle / times, middle * times
    if kind == ROOT:
        return _squared(expected), _squared(expected - half), _squared(expected + half)
    return expected, expected - half, expected + half


@compiled
def _squared(x: float) -> float:
    return max((max(x, 0.0) / 2) ** 2 - 0.375, 0.0)


@compiled
def _take_interval(own: Own, time: float) -> None:
    """Keeps the first pauses between points; the median of them is how often the series is measured."""
    if own.interval > 0 or own.points == 0:
        return
    turn = int(own.points) - 1
    own.pauses[turn] = time - own.last_us
    if turn == PAUSES - 1:
        _set_interval(own, np.median(own.pauses))


@compiled
def _set_interval(own: Own, interval_us: float) -> None:
    """Fixes what follows from the interval: how many slots a day has (of five minutes, fewer where points are rarer),
    and how slowly to forget."""
    interval = max(interval_us, 1.0)
    slot = max(DAY_US / SLOTS, min(interval, DAY_US))
    slots = max(math.floor(DAY_US / slot), 1.0)
    own.interval, own.slots, own.slot_us = interval, slots, DAY_US / slots
    own.a_day = max(DAY_US / interval, 1.0)
    own.a_slot = max(DAY_US / slots / interval, 1.0)
    own.gain, own.week_gain = 1 - 0.8 ** (1 / own.a_slot), 1 - 0.6 ** (1 / own.a_slot)
    own.in_3_days, own.in_7_days, own.in_14_days = 1 / (3 * own.a_day), 1 / (7 * own.a_day), 1 / (14 * own.a_day)
    own.rest = max(_LEAST_QUIET, math.floor(_QUIET_US / interval))
    own.slow = 1 - 0.5 ** (1 / max(24.0, 2 * HOUR_US / interval))


@compiled
def set_interval(series: Array, number: int, interval_us: float) -> None:
    """Tells how often a series is measured (microseconds)."""
    _set_interval(series[number], interval_us)


@compiled
def _place(own: Own, into: float) -> tuple[int, int, float]:
    """The slot of the day, the nearer of those beside it, and how much that one counts: up to a half where a slot has
    several points, so that its mean is that of its middle, else nothing."""
    place, last = into / own.slot_us, int(own.slots) - 1
    slot = min(int(place), last)
    far = place - slot - 0.5
    beside = slot + 1 if far > 0 else slot - 1
    if beside < 0:
        beside = last
    return slot, 0 if beside > last else beside, abs(far) if own.a_slot > _SEVERAL else 0.0


@compiled
def _between(table: Array, slot: int, beside: int, share: float, column: int, otherwise: float) -> float:
    """The table's value between the middles of two slots."""
    here, there = table[slot, column], table[beside, column]
    if math.isnan(here):
        return otherwise
    return float(here if math.isnan(there) else here + (there - here) * share)


@compiled
def _known_after(own: Own, days: int, table: Array, slot: int, beside: int, share: float, column: int) -> float:
    """The same once so many days are learnt; not a number before."""
    return _between(table, slot, beside, share, column, np.nan) if own.learnt >= days * own.a_day else np.nan


@compiled
def _nearest(own: Own, by_day: float, by_kind: float, by_week: float) -> float:
    """What the profile says that was nearest lately; a finer one has to be clearly nearer."""
    found, off_by = by_day, own.off_by_day
    if own.off_by_kind < _NEARER * off_by and not math.isnan(by_kind):
        found, off_by = by_kind, own.off_by_kind
    return by_week if own.off_by_week < _NEARER * off_by and not math.isnan(by_week) else found


@compiled
def _unexplained(
    own: Own, tables: Tables, slot: int, day: int, at: int, closes: bool, column: int, x: float, least: float
) -> float:  # fmt: skip
    """The distance to the nearest of what was seen about this time yesterday and on such days, `least` at most."""
    last = int(own.slots) - 1
    yesterday = (day - 1) % 2 * SLOTS
    reach = 1 if own.slot_us <= _NEAR_US else 0
    for turn in range(-reach, reach + 1):
        near = slot + turn
        near = last if near < 0 else 0 if near > last else near
        far = abs(x - tables.lately[yesterday + near, column])
        if far < least:
            least = far
        far = abs(x - tables.week[at + near, column])
        if far < least:
            least = far
        if closes:
            far = abs(x - tables.week[_MONTHS + near, column])
            if far < least:
                least = far
    return least


_MONTHS = (DAYS - 1) * SLOTS


@compiled
def _weight(own: Own, hour: Array, into: float, column: int, floor: float) -> float:
    """How large deviations are in this hour, against those of the whole day."""
    usual = hour[int(into / HOUR_US), column]
    return 1.0 if math.isnan(usual) else 0.3 + 0.7 * usual / max(own.scale_level, floor)


@compiled
def _look(own: Own, strange: Array, level: float, turn: float, step: float) -> None:
    """The voters but for what is unexplained, and the running means as they are with this point."""
    strange[0], strange[1], strange[2] = abs(level), abs(turn), abs(step)
    cut = _clip(level, _CLIP_MEANS)
    own.mean_4 += 0.3 * (cut - own.mean_4)
    own.mean_16 += 0.08 * (cut - own.mean_16)
    own.mean_64 += 0.02 * (cut - own.mean_64)
    own.unrest += 0.12 * (min(abs(step), _CLIP_MEANS) - own.unrest)
    cut = _clip(level, _CLIP_HOLDS)
    own.hold_6 += 0.15 * (cut - own.hold_6)
    own.hold_25 += 0.04 * (cut - own.hold_25)
    strange[4], strange[5], strange[6] = abs(own.mean_4), abs(own.mean_16), abs(own.mean_64)
    strange[7], strange[8], strange[9] = own.unrest, abs(own.hold_6), abs(own.hold_25)


@compiled
def _close_day(own: Own) -> None:
    """Takes the loudest of the day into the mean; a single loud day moves it as little as a rather loud one."""
    own.days += 1
    gain = max(1 / own.days, 1 / _USUAL_DAYS)
    for stream in range(STREAMS):
        today, usual = math.log(own.today[stream]), own.usual[stream]
        clipped = min(max(today, usual - 2.0), usual + 1.5)
        usual = today if own.days == 1 else usual + gain * (clipped - usual)
        own.usual[stream], own.inverse[stream], own.today[stream] = usual, math.exp(-usual), 0.0
        if stream < SIDED:
            if own.days > 1:
                own.spread[stream] += gain * (min(abs(clipped - usual), 1.5) - own.spread[stream])
            own.most[stream] = (
                max(today, own.most[stream] - 0.07 * (own.most[stream] - usual)) if own.days > 1 else today
            )


@compiled
def _loudest(own: Own, strange: Array) -> float:
    """How many times as loud as usually in a day the loudest voter is; of those that are quick to say so."""
    most = 0.0
    for voter in range(len(strange)):
        if voter != _SLOW_MEAN and voter != _SLOW_HOLD:
            most = max(most, (strange[voter] + _QUIETEST) * own.inverse[voter])
    return most


_SLOW_MEAN, _SLOW_HOLD = VOTERS.index("mean_64"), VOTERS.index("hold_25")
_UP, _DOWN = len(VOTERS), len(VOTERS) + SIDED


@compiled
def _ask(own: Own, asked: Array, strange: Array, level: float, turn: float, step: float) -> None:
    """How loud voters are: above the usual loudest of a day, above the loudest of late, and at all."""
    voters = len(strange)
    for voter in range(voters):
        loud = math.log(strange[voter] + _QUIETEST)
        asked[voter] = loud - own.usual[voter]
        asked[voters + voter] = loud - math.log(max(own.recent[voter], _QUIETEST))
        asked[2 * voters + voter] = loud
    for voter in range(SIDED):
        side = level if voter == _LEVEL else turn if voter == _TURN else step
        stream = (_UP if side > 0 else _DOWN) + voter
        asked[3 * voters + voter] = asked[2 * voters + voter] - own.usual[stream]
        above = asked[2 * voters + voter]
        asked[3 * voters + 2 * SIDED + voter] = (above - own.usual[voter]) / (own.spread[voter] + 0.1)
        asked[3 * voters + 3 * SIDED + voter] = above - own.most[voter]
        asked[3 * voters + SIDED + voter] = asked[2 * voters + voter] - math.log(max(own.recent[stream], _QUIETEST))


@compiled
def _state_facts(
    own: Own, asked: Array, x: float, level: float, turn: float, step: float, unexplained: float, expected: float,
    floor: float, deviation: float, scale: float, away: float, waited: float,
) -> None:  # fmt: skip
    """Sizes against the series' own deviation, as logarithms, and how the series behaves; see `points.FACTS`."""
    first = 3 * len(VOTERS) + 4 * SIDED
    asked[first] = math.log(abs(level) / deviation + 0.01)
    asked[first + 1] = math.log(abs(turn) / deviation + 0.01)
    asked[first + 2] = math.log(abs(step) / deviation + 0.01)
    asked[first + 3] = math.log(unexplained / deviation + 0.01)
    asked[first + 4] = math.log(scale / deviation + 0.01)
    asked[first + 5] = math.log(abs(away) / scale + 0.01)
    asked[first + 6] = _clip((x - own.mean) / deviation, 50.0)
    asked[first + 7] = math.log(abs(level) / (abs(expected) + floor) + 0.01)
    asked[first + 8] = math.log1p(own.same)
    asked[first + 9] = own.lively
    asked[first + 10] = math.log(min(max(own.learnt / own.a_day, 0.01), 30.0))
    asked[first + 11] = math.log(waited + 0.01)


@compiled
def _weigh(asked: Array, trees: Trees) -> float:
    """The sum of the trees' leaves. Four are climbed side by side: each step waits for the one before it. The first
    hundred weigh most, so where those say that a point is ordinary the others are not asked."""
    total, count = trees.base, len(trees.root)
    for tree in range(0, count - 3, 4):
        if tree == _FIRST_TREES and total < _HOPELESS:
            return total + _REST_OF_HOPELESS
        one, two, three, four = trees.root[tree], trees.root[tree + 1], trees.root[tree + 2], trees.root[tree + 3]
        while (one & two & three & four) >= 0:  # leaves are negative
            one, two = _climb(asked, trees, one), _climb(asked, trees, two)
            three, four = _climb(asked, trees, three), _climb(asked, trees, four)
        total += trees.leaf[~one]
        total += trees.leaf[~two]
        total += trees.leaf[~three]
        total += trees.leaf[~four]
    for tree in range(count - count % 4, count):
        node = trees.root[tree]
        while node >= 0:
            node = _climb(asked, trees, node)
        total += trees.leaf[~node]
    return total


@compiled
def _climb(asked: Array, trees: Trees, node: int) -> int:
    """The node that follows; of a leaf itself."""
    at = max(node, 0)
    above = asked[trees.feature[at]] > trees.above[at]
    follows = trees.otherwise[at] if above else trees.below[at]
    return follows if node >= 0 else node


@compiled
def _score(own: Own, straight: float) -> float:
    """The score people see: 2 at the warning threshold, 3 at the critical one, 10 at most; towards 0 ever flatter, so
    that ranks are kept. What was strange echoes in the points after it, but never so that they are worth a warning."""
    own.echo = max(straight, own.echo + _ECHO_FADES * (straight - own.echo))
    straight = max(straight, min(own.echo, _MOST_ECHO))
    return min(straight, 10.0) if straight > _BEND else _BEND * _BEND / (2 * _BEND - straight)


@compiled
def _judge(own: Own, trees: Trees, evidence: float, enough: bool, waited_us: float) -> tuple[bool, bool]:
    """Where an episode begins, and a critical one."""
    if own.warning_pressure > _NO_PRESSURE or own.critical_pressure > _NO_PRESSURE:
        kept = math.exp(-_FORGETS * waited_us)
        own.warning_pressure *= kept
        own.critical_pressure *= kept

    worsens, own.critical_on, own.critical_quiet, own.critical_pressure = _episode(
        own, evidence - trees.critical, enough, own.critical_on, own.critical_quiet, own.critical_pressure
    )
    begins, own.warning_on, own.warning_quiet, own.warning_pressure = _episode(
        own, evidence - trees.warning, enough, own.warning_on, own.warning_quiet, own.warning_pressure
    )
    return begins, worsens


@compiled
def _episode(
    own: Own, above: float, enough: bool, on: float, quiet: float, pressure: float
) -> tuple[bool, float, float, float]:  # fmt: skip
    """Whether an episode begins where the evidence is so far above a threshold; whether one is on, for how many points
    it has been quiet, and by how much the threshold is raised from now on."""
    begins = enough and on == 0 and above >= pressure
    quiet = quiet + 1 if above < pressure - _HYSTERESIS else 0.0
    on = 1.0 if begins or (on > 0 and quiet < own.rest) else 0.0
    if begins:
        pressure += min(_RAISE / own.budget, _MOST_RAISE - pressure)
    return begins, on, quiet, pressure


@compiled
def _remember(own: Own, strange: Array, level: float, turn: float, step: float, trains: bool) -> None:
    """Takes the point into the loudest of the day, where it trains, and of late."""
    for voter in range(_UP):
        _hear(own, voter, strange[voter] + _QUIETEST, trains)
    for voter in range(SIDED):
        side = level if voter == _LEVEL else turn if voter == _TURN else step
        loud = strange[voter] + _QUIETEST
        _hear(own, _UP + voter, loud if side > 0 else _QUIETEST, trains)
        _hear(own, _DOWN + voter, loud if side < 0 else _QUIETEST, trains)


@compiled
def _hear(own: Own, stream: int, loud: float, trains: bool) -> None:
    if trains:
        own.today[stream] = max(own.today[stream], loud)
    own.recent[stream] = max(loud, _FADES * own.recent[stream])


@compiled
def _follow(own: Own, x: float, time: float, turn: float, scale_turn: float) -> None:
    """Short memory: takes the point as the latest."""
    own.near += 0.3 * _clip(turn, 4 * scale_turn if own.points >= _SURE_POINTS else np.inf)
    own.same = own.same + 1 if x == own.last else 0.0
    own.last, own.last_us = x, time
    own.points += 1


@compiled
def _learn_scales(own: Own, level: float, turn: float, step: float, unexplained: float, floor: float) -> None:
    """How far values usually are from predictions; distances are not negative."""
    sure, gain = own.learnt > _SURE_POINTS, max(1 / own.learnt, own.in_3_days)
    limit = _CLIP_SCALE if sure else np.inf
    own.scale_level += gain * (min(level, limit * max(own.scale_level, floor)) - own.scale_level)
    own.scale_turn += gain * (min(turn, limit * max(own.scale_turn, floor)) - own.scale_turn)
    own.scale_step += gain * (min(step, limit * max(own.scale_step, floor)) - own.scale_step)
    far = min(unexplained, limit * max(own.scale_unexplained, floor))
    own.scale_unexplained += gain * (far - own.scale_unexplained)


@compiled
def _learn_hour(own: Own, hour: Array, into: float, column: int, level: float, scale: float) -> None:
    """The same for the level in this hour."""
    row = int(into / HOUR_US)
    usual = hour[row, column]
    if not math.isnan(usual):
        gain = max(1 / (1 + own.learnt / 24), 24 / (5 * own.a_day))
        limit = _CLIP_SCALE if own.learnt > _SURE_POINTS else np.inf
        hour[row, column] = usual + gain * (min(level, limit * scale) - usual)
    else:
        hour[row, column] = 0.5 * own.scale_level + 0.5 * min(level, 2 * own.scale_level)


@compiled
def _learn_day(own: Own, tables: Tables, slot: int, off: int, column: int, x: float, scale: float) -> None:
    limit, gain = 4 * scale + abs(own.away), max(1 / (1 + own.learnt / own.slots), own.gain)
    _approach(tables.profile, slot, column, x, gain, limit)
    _approach(tables.kind, off * SLOTS + slot, column, x, max(gain, own.week_gain) if off else gain, limit)


@compiled
def _approach(table: Array, row: int, column: int, x: float, gain: float, limit: float) -> None:
    """Moves what is usual towards a value, not as if it were further away than `limit`; the first is usual at once."""
    usual = table[row, column]
    table[row, column] = x if math.isnan(usual) else usual + gain * _clip(x - usual, limit)


@compiled
def _learn_week(
    own: Own, tables: Tables, slot: int, day: int, at: int, closes: bool, column: int, x: float, scale: float
) -> None:  # fmt: skip
    limit = 4 * scale + abs(own.away)
    _approach(tables.week, slot + at, column, x, own.week_gain, limit)
    if closes:
        _approach(tables.week, slot + _MONTHS, column, x, own.week_gain, limit)
    row = day % 2 * SLOTS + slot
    seen = tables.lately[row, column]
    again = own.slot == slot and own.day == day and not math.isnan(seen)
    tables.lately[row, column] = seen + 0.4 * (x - seen) if again else x


@compiled
def _compare(own: Own, by_day: float, by_kind: float, by_week: float, limit: float) -> None:
    """How far off the profiles were lately."""
    gain = own.in_3_days
    own.off_by_day += gain * (min(by_day, limit) - own.off_by_day)
    own.off_by_kind = _off_by(own.off_by_kind, own.off_by_day, by_kind, limit, gain)
    own.off_by_week = _off_by(own.off_by_week, own.off_by_day, by_week, limit, gain)


@compiled
def _off_by(before: float, at_first: float, by: float, limit: float, gain: float) -> float:
    """A running mean of distances that begins as that of the day's profile, once there are any."""
    if math.isnan(by):
        return before
    before = before if before != 0 else at_first
    return before + gain * (min(by, limit) - before)


@compiled
def _learn_range(own: Own, x: float, deviation: float) -> None:
    """Mean and deviation of a week, and the range of two, fading towards the mean."""
    gain = max(1 / own.learnt, own.in_7_days)
    far = abs(x - own.mean)
    own.deviation += gain * (min(far, 5 * deviation if own.learnt > 50 else np.inf) - own.deviation)
    if own.learnt == 1:
        own.mean = own.top = own.bottom = x
    fades = own.in_14_days
    own.mean += gain * (x - own.mean)
    own.top = max(x, own.top - fades * (own.top - own.mean))
    own.bottom = min(x, own.bottom + fades * (own.mean - own.bottom))
    own.lively += 0.01 * ((1.0 if own.same == 0 else 0.0) - own.lively)


@compiled
def _happening(own: Own, level: float, waited: float, learns: bool, enough: bool, alarms: bool) -> int:
    """The event of a point that was followed; `waited` is in intervals."""
    found = SPIKE if alarms else NONE
    gap = waited > max(_GAP_INTERVALS, _GAP_TIMES * own.gap_top)
    own.gap_top = max(min(waited, 100.0), own.gap_top * (1 - own.in_14_days))
    if gap:
        found = GAP

    away, rests = _clip(level, _SHIFT_CLIP), own.shift_rest > 0
    own.rise = 0.0 if rests else max(own.rise + away - _SHIFT_ALLOWED, 0.0)
    own.fall = 0.0 if rests else max(own.fall - away - _SHIFT_ALLOWED, 0.0)
    own.shift_rest = max(own.shift_rest - 1, 0.0)
    if max(own.rise, own.fall) > _SHIFT_LIMIT:
        found, own.rise, own.fall, own.shift_rest = LEVEL_SHIFT, 0.0, 0.0, max(own.a_day / 2, 24.0)

    limit = max(_FLAT_POINTS, _FLAT_TIMES * (own.same_top + 1))
    if own.same >= limit and own.same - 1 < limit and own.lively > _LIVELY:
        found = FLATLINE
    ended = min(own.run, limit) if own.same == 0 and learns else 0.0
    own.same_top = max(ended, own.same_top * (1 - own.in_14_days))
    own.run = own.same
    return found if enough else NONE

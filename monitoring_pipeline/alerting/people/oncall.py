"""Who is on call: overrides by command, overrides of the configuration, a calendar file, people in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring_pipeline.alerting.people import calendars
from monitoring_pipeline.alerting.people.wall import DAYS, moment, on_wall, shown
from monitoring_pipeline.alerting.spec import RotaSpec
from monitoring_pipeline.store.overrides import Override

__all__ = ["Shift", "Why", "on_call", "shifts"]

# How far a calendar file is looked along for the end of a shift, or of a time in which nobody is on call.
_AROUND = timedelta(days=35)


class Why(StrEnum):
    """What puts somebody on call, or that nothing does."""

    TURN = "turn"
    OVERRIDE = "override"
    CALENDAR = "calendar"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Shift:
    """`person` is on call from `start` to `end`; empty, with `why` nobody, for a gap."""

    person: str
    start: datetime
    end: datetime
    why: Why


def on_call(rota: RotaSpec, overrides: Sequence[Override], now: datetime) -> Shift | None:
    """Who is on call, None for nobody. `overrides` are those by command, of this rota alone."""
    shift = _shift(rota, overrides, now)
    return None if shift.why is Why.NOBODY else shift


def shifts(rota: RotaSpec, overrides: Sequence[Override], since: datetime, until: datetime) -> list[Shift]:
    """The schedule between two moments, without holes: where nobody is on call, a shift says so."""
    found: list[Shift] = []
    at = since
    while at < until:
        shift = _shift(rota, overrides, at)
        found.append(replace(shift, start=max(shift.start, since), end=min(shift.end, until)))
        at = shift.end
    return _joined(found)


def _joined(found: Sequence[Shift]) -> list[Shift]:
    """Gaps are looked along in pieces; here they become one again."""
    joined: list[Shift] = []
    for shift in found:
        last = joined[-1] if joined else None
        if last is not None and last.why is Why.NOBODY and shift.why is Why.NOBODY:
            joined[-1] = replace(last, end=shift.end)
        else:
            joined.append(shift)
    return joined


def _shift(rota: RotaSpec, overrides: Sequence[Override], now: datetime) -> Shift:
    """The shift around a moment: what comes first of all that covers it, cut off by what goes before that."""
    start, end = now - _AROUND, now + _AROUND
    before: list[Shift] = []
    for each in _by_precedence(rota, overrides, now):
        if each.start <= now < each.end:
            start, end = each.start, each.end
            break
        before.append(each)
    else:
        each = Shift("", start, end, Why.NOBODY)
    start = max([start, *(other.end for other in before if other.end <= now)])
    end = min([end, *(other.start for other in before if other.start > now)])
    return replace(each, start=start, end=end)


def _by_precedence(rota: RotaSpec, overrides: Sequence[Override], now: datetime) -> list[Shift]:
    """Everything that may cover the moment; the newest override goes first."""
    commanded = sorted(overrides, key=lambda each: each.id, reverse=True)
    found = [Shift(each.person, each.start, each.end, Why.OVERRIDE) for each in commanded]
    for configured in reversed(rota.overrides):
        start, end = (moment(each, rota.timezone) for each in (configured.start, configured.end))
        found.append(Shift(configured.person, start, end, Why.OVERRIDE))
    if rota.calendar is not None:
        spans = calendars.spans(rota.calendar, rota.timezone, now - _AROUND, now + _AROUND)
        found += [Shift(each.summary, each.start, each.end, Why.CALENDAR) for each in spans]
    return [*found, _turn(rota, now)] if rota.people else found


def _turn(rota: RotaSpec, now: datetime) -> Shift:
    """Whose turn it is, whatever else is said."""
    length = timedelta(days=7 if rota.turn == "week" else 1)
    first = datetime.combine(rota.start, rota.handover)
    if rota.turn == "week":
        first -= timedelta(days=(rota.start.weekday() - DAYS.index(rota.day)) % 7)
    number = (shown(rota.timezone, now) - first) // length
    # Around a change of the clocks the time on the wall may belong to the neighbouring turn.
    while now < on_wall(rota.timezone, first + number * length):
        number -= 1
    while now >= on_wall(rota.timezone, first + (number + 1) * length):
        number += 1
    start, end = (on_wall(rota.timezone, first + (number + more) * length) for more in (0, 1))
    return Shift(rota.people[number % len(rota.people)], start, end, Why.TURN)

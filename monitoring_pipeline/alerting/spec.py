"""The YAML of who is told: people, teams, rotas, routes, escalations, inhibitions, maintenance.

A place where somebody can be told is written `channel:NAME`, `person:NAME`, `team:NAME` or `oncall:ROTA`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitoring_pipeline.alerting.delivery.channel import Channel, RateLimit
from monitoring_pipeline.alerting.people.recurrence import check_rule
from monitoring_pipeline.alerting.people.wall import DayTime, Moment, moment
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.selector import Matcher, Selector
from monitoring_pipeline.clock import Duration, format_duration
from monitoring_pipeline.deadlines import Cron, Zone
from monitoring_pipeline.records import Severity

__all__ = [
    "AlertingSpec",
    "EscalationSpec",
    "Hours",
    "Inhibition",
    "LevelSpec",
    "MaintenanceSpec",
    "OverrideSpec",
    "PersonSpec",
    "Plan",
    "QuietHours",
    "RotaSpec",
    "Route",
    "Target",
    "TeamSpec",
]

Target = Annotated[str, Field(pattern=r"^(channel|person|team|oncall):[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Where somebody can be told: `channel:NAME`, `person:NAME`, `team:NAME`, `oncall:ROTA`."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


_SHORTEST = timedelta(seconds=1)


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Hours(_Spec):
    """A time of day on some days of the week, on the wall clock of a time zone. It may pass midnight."""

    start: DayTime = Field(alias="from", description="Begin, such as 22:00.")
    end: DayTime = Field(alias="to", description="End, such as 07:00.")
    days: tuple[Day, ...] = Field((), description="Days on which it begins; every day by default.")
    timezone: Zone | None = Field(None, description="Its time zone; the person's, else UTC, by default.")


class QuietHours(Hours):
    """When somebody is not to be disturbed. What comes meanwhile is delivered at their end, if it still holds."""

    above: Severity = Field(Severity.CRITICAL, description="From this severity on it is told all the same.")


class PersonSpec(_Spec):
    """Somebody who can be told."""

    name: str = Field("", description="The full name.")
    email: str = Field("", description="E-mail address.")
    phone: str = Field("", description="Phone number for text messages, such as +4930123456.")
    slack: str = Field("", description="Slack member id.")
    timezone: Zone = Field("UTC", description="Where the person lives, for quiet hours.")
    channels: tuple[str, ...] = Field((), description="Channels that reach this person, all of them are used.")
    minimum_severity: Severity = Field(Severity.INFO, description="Nothing below it.")
    quiet_hours: tuple[QuietHours, ...] = Field((), description="When not to be disturbed.")


class TeamSpec(_Spec):
    """People who look after something together. A source's `owner` is a team of this name."""

    members: tuple[str, ...] = Field((), description="People.")
    channels: tuple[str, ...] = Field((), description="Channels of the team as a whole.")
    oncall: str | None = Field(None, description="The rota that says who of them is told, besides the channels.")
    minimum_severity: Severity = Field(Severity.INFO, description="Nothing below it.")
    quiet_hours: tuple[QuietHours, ...] = Field((), description="When not to be disturbed.")


class OverrideSpec(_Spec):
    """Somebody stands in."""

    start: Moment = Field(alias="from", description="Begin, ISO 8601.")
    end: Moment = Field(alias="to", description="End, ISO 8601.")
    person: str = Field(description="Who is on call then.")


class RotaSpec(_Spec):
    """Who is on call: people in turns, or whoever a calendar file names. Overrides go before both."""

    people: tuple[str, ...] = Field((), description="In the order of their turns.")
    turn: Literal["day", "week"] = Field("week", description="How long one turn is.")
    handover: DayTime = Field(time(9, 0), description="When turns change, on the wall clock.")
    day: Day = Field("mon", description="On which day weekly turns change.")
    start: date = Field(date(2024, 1, 1), description="Day from which turns are counted.")
    timezone: Zone = Field("UTC", description="Its time zone.")
    calendar: Path | None = Field(None, description="An iCalendar file; an event's summary names the person.")
    overrides: tuple[OverrideSpec, ...] = Field((), description="Who stands in when.")

    @model_validator(mode="after")
    def _is_somebody(self) -> RotaSpec:
        if not self.people and self.calendar is None:
            raise ValueError("a rota has people, a calendar, or both")
        for number, each in enumerate(self.overrides):
            if moment(each.end, self.timezone) <= moment(each.start, self.timezone):
                raise ValueError(f"overrides[{number}] ends before it begins")
        return self


class LevelSpec(_Spec):
    """One level of an escalation."""

    after: Duration = Field(timedelta(0), description="How long after the escalation began.")
    notify: tuple[Target, ...] = Field(min_length=1, description="Who is told.")
    note: str = Field("", description="A sentence put above the message.")


class EscalationSpec(_Spec):
    """Who is told next while nobody has acknowledged."""

    levels: tuple[LevelSpec, ...] = Field(min_length=1, description="In the order of `after`.")
    repeat_every: Duration | None = Field(None, description="After the last level, start again after this time.")
    repeats: int = Field(3, ge=0, description="How often it starts again at most.")
    acknowledge_timeout: Duration | None = Field(
        None, description="An acknowledgement ends by itself after this time, and the escalation goes on."
    )

    @model_validator(mode="after")
    def _goes_forward(self) -> EscalationSpec:
        delays = [timedelta(0), *(level.after for level in self.levels)]
        for number, (before, after) in enumerate(pairwise(delays)):
            if after < before:
                raise ValueError(
                    f"levels[{number}].after is {format_duration(after)}, earlier than {format_duration(before)}: "
                    "levels come in the order of `after`"
                )
        for name, duration in (("repeat_every", self.repeat_every), ("acknowledge_timeout", self.acknowledge_timeout)):
            if duration is not None and duration < _SHORTEST:
                raise ValueError(f"{name} is at least {format_duration(_SHORTEST)}")
        return self


class Route(_Spec):
    """Which alerts are told to whom. The first that matches decides, unless it says `continue`."""

    name: str = Field("", description="Name for people; its number by default.")
    match: Matcher = Field(Matcher(), description="Alerts it is for; all of them by default.")
    hours: tuple[Hours, ...] = Field((), description="Only at these times.")
    notify: tuple[Target, ...] = Field((), description="Who is told at once.")
    notify_owner: bool = Field(False, description="Whether the team that owns the source is told too.")
    escalation: str | None = Field(None, description="The escalation that begins with it.")
    continue_: bool = Field(False, alias="continue", description="Whether later routes are looked at as well.")
    group_by: tuple[str, ...] = Field(
        ("source",), description="What one message gathers: source, component, rule, severity, owner, label names."
    )
    group_wait: Duration = Field(timedelta(0), description="How long a new group waits for more.")
    group_interval: Duration = Field(timedelta(seconds=10), description="How long a group waits between messages.")
    repeat_interval: Duration | None = Field(timedelta(hours=4), description="Reminder while it fires; null: none.")


class Inhibition(_Spec):
    """While an alert of `by` fires, alerts of `mute` about the same things do not notify."""

    by: Matcher = Field(description="The alert that says enough.")
    mute: Matcher = Field(description="Alerts that need not be told then.")
    equal: tuple[str, ...] = Field((), description="What both must have in common: source, component, owner, labels.")


class MaintenanceSpec(_Spec):
    """A time in which a source may be away: once, by cron, by a recurrence rule, or from a calendar file."""

    name: str = Field(description="Name for people.")
    sources: Selector = Field(description="The sources it is about.")
    start: Moment | None = Field(None, description="Begin of a single window, ISO 8601, or of the recurrence.")
    end: Moment | None = Field(None, description="End of a single window, ISO 8601.")
    cron: Cron | None = Field(None, description="Begins of a recurring window.")
    rrule: str | None = Field(None, description="RFC 5545 recurrence of `start`, such as FREQ=MONTHLY;BYDAY=1SU.")
    calendar: Path | None = Field(None, description="An iCalendar file: each event is a window.")
    duration: Duration | None = Field(None, description="How long a recurring window lasts.")
    timezone: Zone = Field("UTC", description="The time zone of `cron`, `rrule` and of times without one.")

    @model_validator(mode="after")
    def _says_when(self) -> MaintenanceSpec:
        given = {name for name in _WHEN if getattr(self, name) is not None}
        if given not in ({"start", "end"}, {"cron", "duration"}, {"rrule", "start", "duration"}, {"calendar"}):
            raise ValueError(_when_is_wrong(given))
        if self.duration is not None and self.duration <= timedelta(0):
            raise ValueError("duration is more than 0s")
        if self.start and self.end and moment(self.end, self.timezone) <= moment(self.start, self.timezone):
            raise ValueError("it ends before it begins: `end` comes after `start`")
        if self.rrule is not None and self.start is not None:
            check_rule(self.rrule, self.start, self.timezone)
        return self


_WHEN = ("start", "end", "cron", "rrule", "calendar", "duration")


def _when_is_wrong(given: set[str]) -> str:
    ways = "give `start` and `end`, or `cron` and `duration`, or `rrule`, `start` and `duration`, or `calendar` alone"
    if not given:
        return f"it does not say when it is: {ways}"
    names = ", ".join(f"`{name}`" for name in _WHEN if name in given)
    return f"{names} {'alone does' if len(given) == 1 else 'together do'} not say when it is: {ways}"


class AlertingSpec(_Spec):
    """Who is told, and when not."""

    enabled: bool = Field(True, description="Whether rules are evaluated at all.")
    defaults: bool | None = Field(
        None, description="Whether the built-in rules apply; by default where there are no `rules`."
    )
    sending: bool = Field(True, description="false: everything is evaluated and kept, nothing is sent.")
    routes: tuple[Route, ...] = Field((), description="In order. Without any, every channel is told everything.")
    inhibitions: tuple[Inhibition, ...] = Field((), description="Alerts that mute other alerts.")
    inhibit_dependents: bool = Field(
        True, description="Whether an alert is not told while a source that its source depends on has one."
    )
    inhibit_linger: Duration = Field(
        timedelta(seconds=90),
        description="How long an alert that ended goes on muting what it muted, which has to recover as well.",
    )
    storm_cap: RateLimit | None = Field(
        RateLimit(messages=100), description="More messages than this over all channels become digests."
    )
    acknowledge_timeout: Duration | None = Field(
        None, description="Acknowledgements end by themselves after this time, unless they say how long."
    )
    retention: Duration = Field(timedelta(days=400), description="How long resolved alerts are kept.")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the configuration says about alerting, by name."""

    spec: AlertingSpec = field(default_factory=AlertingSpec)
    rules: tuple[Rule, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    people: Mapping[str, PersonSpec] = field(default_factory=dict)
    teams: Mapping[str, TeamSpec] = field(default_factory=dict)
    rotas: Mapping[str, RotaSpec] = field(default_factory=dict)
    escalations: Mapping[str, EscalationSpec] = field(default_factory=dict)
    maintenance: tuple[MaintenanceSpec, ...] = ()

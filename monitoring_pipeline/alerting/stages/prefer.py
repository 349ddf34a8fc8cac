"""What channels, people and teams want to hear, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.people.hours import quiet
from monitoring_pipeline.alerting.spec import PersonSpec, Plan, TeamSpec
from monitoring_pipeline.alerting.stage import Batch, Letter, Verdict, Why
from monitoring_pipeline.records import Severity

__all__ = ["prefer"]

_END = frozenset({Why.RESOLVED_SOME.value, Why.ALL_RESOLVED.value})
_GOES_ON = frozenset({*_END, Why.ACKNOWLEDGED.value})


def prefer(batch: Batch) -> None:
    """Drops letters that nobody wants and lets others wait for the end of quiet hours."""
    kept = []
    for letter in batch.letters:
        refused = _refusal(batch.world.plan, letter)
        if refused is None:
            kept.append(_when_awake(batch, letter))
            continue
        verdict, words = refused
        batch.decide(letter.bundle.alerts, "prefer", verdict, f"{letter}: {words}")
        if verdict is Verdict.CHANNEL_OFF and batch.withheld(letter.bundle) is None:
            batch.unwanted.append((letter, words))
    batch.letters = kept


def _refusal(plan: Plan, letter: Letter) -> tuple[Verdict, str] | None:
    channel, bundle = plan.channels[letter.recipient.channel], letter.bundle
    if not channel.enabled:
        return Verdict.CHANNEL_OFF, f"channel {letter.recipient.channel} is off"
    if bundle.why in _END and not channel.send_resolved:
        return Verdict.RESOLVED_UNWANTED, f"channel {letter.recipient.channel} is not told ends"
    if bundle.why in _GOES_ON or bundle.kind is Kind.RESOLVED:
        return None  # whoever was told of the beginning is told how it goes on
    limits = {f"channel {letter.recipient.channel}": channel.minimum_severity, **_limits(plan, letter)}
    for name, least in limits.items():
        if bundle.severity.rank < least.rank:
            return Verdict.BELOW_MINIMUM, f"{bundle.severity} is below {least}, the least that {name} wants"
    return None


def _limits(plan: Plan, letter: Letter) -> dict[str, Severity]:
    return {name: who.minimum_severity for name, who, _ in _listeners(plan, letter)}


def _listeners(plan: Plan, letter: Letter) -> list[tuple[str, PersonSpec | TeamSpec, str]]:
    """The person and the team on whose behalf a letter goes out, with their time zones."""
    found: list[tuple[str, PersonSpec | TeamSpec, str]] = []
    person, team = plan.people.get(letter.recipient.person), plan.teams.get(letter.recipient.team)
    if person is not None:
        found.append((letter.recipient.person, person, person.timezone))
    if team is not None:
        found.append((f"team {letter.recipient.team}", team, person.timezone if person is not None else "UTC"))
    return found


def _when_awake(batch: Batch, letter: Letter) -> Letter:
    until: dict[str, datetime] = {}
    for name, who, zone in _listeners(batch.world.plan, letter):
        end = quiet(who.quiet_hours, zone, letter.bundle.severity, letter.due)
        if end is not None:
            until[name] = end
    if not until:
        return letter
    name, due = max(until.items(), key=lambda pair: pair[1])
    detail = f"{letter}: quiet hours of {name} until {due:%Y-%m-%d %H:%M:%S} UTC"
    batch.decide(letter.bundle.alerts, "prefer", Verdict.QUIET_HOURS, detail)
    return replace(letter, due=due)

"""Targets become recipients: who is reached through which channel, now.

Whoever cannot be reached is a problem beside the recipients, so that it can be told why; the others are
told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from monitoring_pipeline.alerting.people.oncall import on_call
from monitoring_pipeline.alerting.spec import PersonSpec, Plan
from monitoring_pipeline.store.overrides import Override

__all__ = ["Problem", "Recipient", "Resolved", "Trouble", "look_up", "resolve"]


class Trouble(StrEnum):
    """Why a target, or a part of it, reaches nobody, or somebody else than it should."""

    CHANNEL_GONE = "channel_gone"
    PERSON_GONE = "person_gone"
    TEAM_GONE = "team_gone"
    ROTA_GONE = "rota_gone"
    NOBODY_ON_CALL = "nobody_on_call"
    UNREACHABLE = "unreachable"
    TOLD_INSTEAD = "told_instead"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address of one channel; empty: the channel's own. `person` and `team` say on whose behalf."""

    channel: str
    address: str = ""
    person: str = ""
    team: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One target that could not be followed as it stands; `detail` is a sentence."""

    trouble: Trouble
    target: str
    detail: str


@dataclass(slots=True)
class Resolved:
    """Recipients without repetition, and what went wrong on the way."""

    recipients: list[Recipient] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def resolve(
    targets: Iterable[str], plan: Plan, owner: str, overrides: Sequence[Override], now: datetime
) -> list[Recipient]:
    """The recipients alone; see `look_up`."""
    return look_up(targets, plan, owner, overrides, now).recipients


def look_up(targets: Iterable[str], plan: Plan, owner: str, overrides: Sequence[Override], now: datetime) -> Resolved:
    """Who is reached by targets and, unless it is empty, by the team `owner`. `overrides` may be of any rota."""
    search = _Search(plan, overrides, now)
    wanted = [*targets, *([f"team:{owner}"] if owner else [])]
    for target in wanted:
        search.follow(target)
    unique: dict[tuple[str, str], Recipient] = {}
    for each in search.found:
        unique.setdefault((each.channel, each.address), each)
    return Resolved(list(unique.values()), list(dict.fromkeys(search.problems)))


class _Search:
    """One call's way through people, teams and rotas."""

    def __init__(self, plan: Plan, overrides: Sequence[Override], now: datetime) -> None:
        self._plan, self._overrides, self._now = plan, overrides, now
        self._target = ""
        self.found: list[Recipient] = []
        self.problems: list[Problem] = []

    def follow(self, target: str) -> None:
        self._target = target
        kind, _, name = target.partition(":")
        ways: dict[str, Callable[[str], object]] = {
            "channel": self._channel, "person": self._person, "team": self._team, "oncall": self._oncall,
        }  # fmt: skip
        ways[kind](name)

    def _trouble(self, trouble: Trouble, detail: str) -> None:
        self.problems.append(Problem(trouble, self._target, detail))

    def _channel(self, name: str, team: str = "") -> None:
        if name in self._plan.channels:
            self.found.append(Recipient(name, team=team))
        else:
            self._trouble(Trouble.CHANNEL_GONE, f"there is no channel {name} any more")

    def _person(self, name: str, team: str = "") -> bool:
        person = self._plan.people.get(name)
        if person is None:
            self._trouble(Trouble.PERSON_GONE, f"there is no person {name}")
            return False
        reached = list(self._addresses(name, person, team))
        self.found += reached
        if not reached:
            self._trouble(
                Trouble.UNREACHABLE, f"no channel reaches {name}: an address, or a channel for it, is missing"
            )
        return bool(reached)

    def _addresses(self, name: str, person: PersonSpec, team: str) -> Iterator[Recipient]:
        for channel_name in person.channels or self._plan.channels:
            channel = self._plan.channels.get(channel_name)
            if channel is None:
                self._trouble(
                    Trouble.CHANNEL_GONE, f"there is no channel {channel_name} any more, through which {name} is told"
                )
                continue
            field_name = channel.recipient_field
            address = getattr(person, field_name, "") if field_name else ""
            if address or (person.channels and not field_name):
                yield Recipient(channel_name, address, name, team)
            elif person.channels:
                self._trouble(
                    Trouble.UNREACHABLE, f"channel {channel_name} needs the {field_name} of {name}, which is not given"
                )

    def _team(self, name: str) -> None:
        team = self._plan.teams.get(name)
        if team is None:
            self._trouble(Trouble.TEAM_GONE, f"there is no team {name}")
            return
        for channel in team.channels:
            self._channel(channel, name)
        if team.oncall is not None:
            if not self._on_call(team.oncall, name):
                self._instead(f"the members of team {name}", team.members, name)
        elif not team.channels:
            self._people(team.members, name)

    def _oncall(self, name: str) -> None:
        if self._on_call(name, ""):
            return
        teams = {each: team for each, team in self._plan.teams.items() if team.oncall == name}
        for each, team in teams.items():
            self._instead(f"the members of team {each}", team.members, each)
        if not teams and name in self._plan.rotas:
            self._instead("all people of the rota", self._plan.rotas[name].people, "")

    def _instead(self, who: str, names: Iterable[str], team: str) -> None:
        self._trouble(Trouble.TOLD_INSTEAD, f"{who} are told instead")
        self._people(names, team)

    def _on_call(self, name: str, team: str) -> bool:
        """Whether the rota's person of now could be reached."""
        rota = self._plan.rotas.get(name)
        if rota is None:
            self._trouble(Trouble.ROTA_GONE, f"there is no rota {name}")
            return False
        shift = on_call(rota, [each for each in self._overrides if each.rota == name], self._now)
        if shift is None:
            self._trouble(Trouble.NOBODY_ON_CALL, f"nobody is on call in rota {name}")
            return False
        return self._person(shift.person, team)

    def _people(self, names: Iterable[str], team: str) -> None:
        for name in names:
            self._person(name, team)

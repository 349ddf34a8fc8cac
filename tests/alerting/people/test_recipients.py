"""Who is reached through which channel: by target, on call, and when something is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.alerting.people.recipients import Problem, Recipient, look_up, resolve
from monitoring_pipeline.alerting.spec import PersonSpec, Plan, RotaSpec, TeamSpec
from monitoring_pipeline.store.overrides import Override

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


class Mail(Channel):
    recipient_field: ClassVar[str] = "email"
    kind: str = "mail"


class Text(Channel):
    recipient_field: ClassVar[str] = "phone"
    kind: str = "text"


class Hook(Channel):
    kind: str = "hook"


def plan(**changed: Any) -> Plan:
    """Anna has the week of 6 May, Ben the next one."""
    parts: dict[str, Any] = {
        "channels": {"mail": Mail(), "text": Text(), "hook": Hook()},
        "people": {
            "anna": PersonSpec(email="anna@example.com", phone="+491"),
            "ben": PersonSpec(email="ben@example.com", phone="+492", channels=("text",)),
            "carla": PersonSpec(slack="U1"),
            "hooked": PersonSpec(channels=("hook",)),
        },
        "teams": {
            "ops": TeamSpec(members=("anna", "ben"), channels=("hook",), oncall="primary"),
            "sales": TeamSpec(members=("ben", "carla")),
            "quiet": TeamSpec(members=("anna",), channels=("hook",)),
        },
        "rotas": {"primary": RotaSpec.model_validate({"people": ["anna", "ben"], "start": "2026-05-04"})},
    }
    return Plan(**(parts | changed))


MAIL_ANNA, TEXT_ANNA = ("mail", "anna@example.com"), ("text", "+491")
TEXT_BEN, HOOK = ("text", "+492"), ("hook", "")


@pytest.mark.parametrize(("targets", "owner", "expected"), [
    (["channel:hook"], "", [HOOK]),
    (["channel:mail"], "", [("mail", "")]),
    (["person:anna"], "", [MAIL_ANNA, TEXT_ANNA]),
    (["person:ben"], "", [TEXT_BEN]),
    (["person:hooked"], "", [HOOK]),
    (["oncall:primary"], "", [MAIL_ANNA, TEXT_ANNA]),
    (["team:ops"], "", [HOOK, MAIL_ANNA, TEXT_ANNA]),
    (["team:quiet"], "", [HOOK]),
    ([], "ops", [HOOK, MAIL_ANNA, TEXT_ANNA]),
    ([], "", []),
    (["channel:hook", "team:ops", "person:anna", "oncall:primary"], "ops", [HOOK, MAIL_ANNA, TEXT_ANNA]),
])  # fmt: skip
def test_targets(targets: list[str], owner: str, expected: list[tuple[str, str]]) -> None:
    found = look_up(targets, plan(), owner, (), NOW)
    assert [(each.channel, each.address) for each in found.recipients] == expected
    assert found.problems == []
    assert resolve(targets, plan(), owner, (), NOW) == found.recipients


def test_a_recipient_says_on_whose_behalf() -> None:
    assert resolve(["team:ops"], plan(), "", (), NOW) == [
        Recipient("hook", "", "", "ops"),
        Recipient("mail", "anna@example.com", "anna", "ops"),
        Recipient("text", "+491", "anna", "ops"),
    ]


def test_overrides_are_for_their_rota() -> None:
    end = datetime(2026, 5, 7, tzinfo=UTC)
    of = {rota: Override(rota, "ben", datetime(2026, 5, 6, tzinfo=UTC), end, id=1) for rota in ("primary", "other")}
    people = {rota: {each.person for each in resolve(["oncall:primary"], plan(), "", [of[rota]], NOW)} for rota in of}
    assert people == {"primary": {"ben"}, "other": {"anna"}}


# -- what is missing ---------------------------------------------------------------------------------


def told(*targets: str, owner: str = "", **changed: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """Who is reached (people and channels without one), and what went wrong: word and target."""
    found = look_up(targets, plan(**changed), owner, (), NOW)
    assert all(isinstance(each, Problem) and each.detail for each in found.problems)
    reached = list(dict.fromkeys(each.person or each.channel for each in found.recipients))
    return reached, [(each.trouble.value, each.target) for each in found.problems]


def test_what_is_gone_does_not_stop_the_others() -> None:
    targets = ("channel:gone", "person:gone", "team:gone", "oncall:gone", "channel:hook")
    assert told(*targets, owner="nobody") == (["hook"], [
        ("channel_gone", "channel:gone"), ("person_gone", "person:gone"), ("team_gone", "team:gone"),
        ("rota_gone", "oncall:gone"), ("team_gone", "team:nobody"),
    ])  # fmt: skip


def test_somebody_whom_no_channel_reaches() -> None:
    assert told("team:sales") == (["ben"], [("unreachable", "team:sales")])
    people = {"anna": PersonSpec(phone="+491", channels=("mail", "gone", "text"))}
    reached, problems = told("person:anna", people=people)
    assert reached == ["anna"]
    assert problems == [("unreachable", "person:anna"), ("channel_gone", "person:anna")]


EMPTY = RotaSpec.model_validate({"calendar": "/nowhere/rota.ics"})
GHOST = RotaSpec.model_validate({"people": ["ghost"]})


@pytest.mark.parametrize(("rota", "trouble"), [(EMPTY, "nobody_on_call"), (GHOST, "person_gone")])
@pytest.mark.parametrize(("target", "channels"), [("team:ops", ["hook"]), ("oncall:primary", [])])
def test_without_anybody_on_call_the_members_of_the_team_are_told(
    rota: RotaSpec, trouble: str, target: str, channels: list[str]
) -> None:
    reached, problems = told(target, rotas={"primary": rota})
    assert reached == [*channels, "anna", "ben"]
    assert problems == [(trouble, target), ("told_instead", target)]


def test_without_a_team_either_everybody_of_the_rota_is_told() -> None:
    people = {"anna": PersonSpec(), "ben": PersonSpec(phone="+492")}
    reached, problems = told("oncall:primary", people=people, teams={})
    assert reached == ["ben"]
    assert problems[:2] == [("unreachable", "oncall:primary"), ("told_instead", "oncall:primary")]


def test_when_nobody_at_all_is_left_that_is_said() -> None:
    reached, problems = told("oncall:primary", people={}, teams={})
    assert reached == []
    assert ("person_gone", "oncall:primary") in problems

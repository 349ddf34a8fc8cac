"""`busta oncall`: who is on call, and who stands in."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.store import overrides
from monitoring_pipeline.store.alerts import audit_of
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSTA_USER", "ana")


def test_who_is_on_call_and_how_to_reach_them(run: Busta, alerting: Monitoring) -> None:
    at = "2024-01-01T12:00Z"  # the first day from which turns are counted: ana's
    text = run("oncall", "who", "--at", at).stdout
    assert "ana (Ana Example)" in text
    assert "ana@example.com" in text
    assert "+4930123456" in run("oncall", "who", "primary", "--at", "2024-01-02T12:00Z").stdout
    found = document(run("oncall", "who", "--at", at, "--json"))
    assert has_shape(found, "oncall who")
    assert found["rotas"] == [
        {"rota": "primary", "name": "Ana Example", "person": "ana", "start": "2024-01-01T09:00:00Z",
         "end": "2024-01-02T09:00:00Z", "why": "turn"}
    ]  # fmt: skip


def test_the_schedule(run: Busta, alerting: Monitoring) -> None:
    found = document(run("oncall", "show", "--ahead", "4d", "--json"))
    assert has_shape(found, "oncall show")
    (rota,) = found["rotas"]
    people = [each["person"] for each in rota["shifts"]]
    assert len(people) == 5
    assert all(before != after for before, after in pairwise(people))
    assert (rota["shifts"][0]["start"], rota["shifts"][-1]["end"]) == (found["since"], found["until"])
    text = run("oncall", "show", "primary", "--ahead", "4d").stdout
    assert text.count("ana") + text.count("ben") == 5


def test_standing_in(run: Busta, alerting: Monitoring) -> None:
    on_turn = document(run("oncall", "who", "--json"))["rotas"][0]["person"]
    other = "ben" if on_turn == "ana" else "ana"
    result = run("oncall", "override", "primary", other, "--for", "2h", "--reason", "swap")
    assert result.exit_code == exits.OK
    now = document(run("oncall", "who", "--json"))["rotas"][0]
    assert (now["person"], now["why"]) == (other, "override")
    with alerting.store.read() as connection:
        (made,) = overrides.list_overrides(connection)
        assert [each.actor for each in audit_of(connection, "rota:primary")] == ["ana"]
    assert (made.end - made.start, made.reason, made.author) == (timedelta(hours=2), "swap", "ana")
    assert f"override {made.id}: {other} for primary, by ana (swap)" in run("oncall", "show").stdout
    assert "has ended" in run("oncall", "end", str(made.id)).stdout
    assert "was over already" in run("oncall", "end", str(made.id)).stdout
    assert document(run("oncall", "who", "--json"))["rotas"][0]["person"] == on_turn


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["who", "primry"], "did you mean 'primary'?"),
        (["show", "primry"], "did you mean 'primary'?"),
        (["override", "primary", "bne", "--for", "1h"], "did you mean 'ben'?"),
        (["override", "primry", "ben", "--for", "1h"], "did you mean 'primary'?"),
        (["override", "primary", "ben"], "how long?"),
        (["override", "primary", "ben", "--until", "2020-01-01"], "in the future"),
        (["end", "99"], "there is no override '99'"),
    ],
)
def test_what_is_refused(run: Busta, alerting: Monitoring, arguments: list[str], told: str) -> None:
    result = run("oncall", *arguments)
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert told in result.stderr


def test_without_rotas_it_says_so(run: Busta) -> None:
    for command in ("who", "show"):
        result = run("oncall", command)
        assert (result.exit_code, result.stdout) == (exits.OK, "")
        assert "There are no rotas" in result.stderr

"""`busta channels`: a real message through a real server, and what is known of each channel."""

from __future__ import annotations

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from tests.cli.conftest import Busta, document
from tests.cli.test_sources import has_shape


def test_list(run: Busta, alerting: Monitoring) -> None:
    found = document(run("channels", "list", "--json"))
    assert has_shape(found, "channels list")
    assert [(each["name"], each["kind"], each["enabled"]) for each in found["channels"]] == [
        ("chat", "slack", True), ("other", "slack", False),
    ]  # fmt: skip
    assert "slack" in run("channels", "list").stdout


def test_a_real_message_proves_a_channel(run: Busta, alerting: Monitoring) -> None:
    assert "not proven" in run("channels", "status").stdout
    result = run("channels", "test", "chat")
    assert (result.exit_code, result.stderr) == (exits.OK, "")
    assert "channel chat (slack) took the test message" in result.stdout
    found = document(run("channels", "status", "--json"))
    assert has_shape(found, "channels status")
    chat = found["channels"][0]
    assert (chat["name"], chat["failures"], chat["error"], chat["waiting"], chat["dead"]) == ("chat", 0, "", 0, 0)
    assert chat["last_ok"] is not None
    text = run("channels", "status").stdout
    assert "works" in text
    assert "off" in text


def test_the_answer_as_json(run: Busta, alerting: Monitoring) -> None:
    found = document(run("channels", "test", "chat", "--json"))
    assert has_shape(found, "channels test")
    assert (found["channel"], found["sent"], found["code"]) == ("chat", True, 200)


def test_what_a_provider_refuses_is_told_with_its_code(run: Busta, alerting: Monitoring) -> None:
    path = alerting.config.path
    path.write_text(path.read_text().replace("/slack", "/gone", 1))
    result = run("channels", "test", "chat")
    assert (result.exit_code, result.stdout) == (exits.UNAVAILABLE, "")
    assert "channel chat (slack) failed, the provider answered 404" in result.stderr
    answer = run("channels", "test", "chat", "--json")
    assert answer.exit_code == exits.UNAVAILABLE
    assert document(answer)["sent"] is False
    assert document(run("channels", "status", "--json"))["channels"][0]["last_failed"] is not None
    assert "failures in a row" in run("channels", "status").stdout


def test_a_server_that_is_away(run: Busta, alerting: Monitoring) -> None:
    result = run("channels", "test", "other")
    assert result.exit_code == exits.UNAVAILABLE
    assert "channel other (slack) failed: " in result.stderr
    assert result.stderr.count("\n") == 1
    assert "/slack" not in result.stderr  # the path of a webhook is its secret


@pytest.mark.parametrize("arguments", [["test", "caht"]])
def test_an_unknown_channel(run: Busta, alerting: Monitoring, arguments: list[str]) -> None:
    result = run("channels", *arguments)
    assert result.exit_code == exits.USAGE
    assert "did you mean 'chat'?" in result.stderr


def test_without_channels_it_says_so(run: Busta) -> None:
    for command in ("list", "status"):
        assert "There are no channels" in run("channels", command).stderr

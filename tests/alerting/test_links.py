"""Links that people click in messages, and what they may do with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring_pipeline.alerting.links import Links, link_secret
from monitoring_pipeline.checks.push import push_secret, push_token

LINKS = Links("https://status.example.com/busta/", b"s" * 32)


def test_links_are_below_the_base_url() -> None:
    assert LINKS.alert(7) == "https://status.example.com/busta/alerts/7"
    assert LINKS.acknowledge(7) == f"https://status.example.com/busta/alerts/7/acknowledge?token={LINKS.token(7)}"


def test_a_token_is_good_for_its_alert_and_no_other() -> None:
    assert LINKS.verify(7, LINKS.token(7))
    assert not LINKS.verify(8, LINKS.token(7))
    assert not Links(LINKS.base_url, b"t" * 32).verify(7, LINKS.token(7))


@pytest.mark.parametrize("token", ["", "x", "ä", "\udcff", "a" * 43, "a" * 100_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert not LINKS.verify(7, token)


def test_the_secret_stays_and_is_not_that_of_the_push_urls(tmp_path: Path) -> None:
    first = link_secret(tmp_path)
    assert first == link_secret(tmp_path)
    assert first != push_secret(tmp_path)
    key = push_secret(tmp_path)
    # A heartbeat check may have any name: its push token must not acknowledge anything.
    assert Links("", first).token(7) != push_token(key, "acknowledge/7")


def test_the_secret_is_not_shown() -> None:
    assert "ssss" not in repr(LINKS)

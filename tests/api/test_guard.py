"""Who may call us by which name, and what happens to errors."""

from __future__ import annotations

import pytest

from monitoring_pipeline.api.guard import allowed_hosts, is_loopback
from tests.api.conftest import SOURCES, install, serving


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:80", "LOCALHOST."]
)
def test_our_own_names_are_answered(installation, host):
    with serving(installation.monitoring) as client:
        assert client("/live", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.evil.example.com", "localhost.evil.example", "[::2]", "", "["]
)
def test_other_names_are_refused(installation, host):
    with serving(installation.monitoring) as client:
        for url in ("/", "/health", "/push/x"):
            answer = client(url, headers={"Host": host})
            assert answer.status == 421, host
            assert "public_url" in answer.json()["detail"]


def test_the_public_name_is_answered(tmp_path):
    public = install(tmp_path, SOURCES, api={"public_url": "https://status.example.com/busta"})
    with serving(public.monitoring) as client:
        assert client("/live", headers={"Host": "status.example.com"}).status == 200
        assert client("/live", headers={"Host": "other.example.com"}).status == 421
    assert public.monitoring.push_url("nightly-export/heartbeat").startswith("https://status.example.com/busta/push/")


def test_whoever_listens_to_others_has_names_we_cannot_know():
    assert allowed_hosts("0.0.0.0", None) is None
    assert allowed_hosts("192.0.2.7", None) is None
    assert "127.0.0.2" in (allowed_hosts("127.0.0.2", None) or ())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


def test_an_unexpected_error_is_500_and_says_nothing(installation, monkeypatch):
    def broken():
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(installation.monitoring, "overview", broken)
    with serving(installation.monitoring) as client:
        answer = client("/health")
        assert answer.status == 500
        assert "secret" not in answer.text
        assert "content-security-policy" in answer.headers
        assert client("/live").status == 200

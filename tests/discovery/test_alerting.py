"""What `busta init` writes about alerting loads, and tells little."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from monitoring_pipeline.alerting.rules.defaults import default_rules
from monitoring_pipeline.config import Config, load_config
from monitoring_pipeline.discovery.alerting import ALERTING
from monitoring_pipeline.discovery.found import Found
from monitoring_pipeline.discovery.ourselves import Ports, own_sources
from monitoring_pipeline.discovery.run import Discovery
from monitoring_pipeline.discovery.writing import existing, files_of, write


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "monitoring.yaml"
    machine = Found("machine", "", "", {"id": "machine", "component": "machine"})
    found = (machine, *own_sources(tmp_path / ".busta", Ports()))
    files = files_of(Discovery(found, Ports(), ()), tmp_path, path)
    write(files)
    assert {file.name for file in existing(files)} == {
        "monitoring.yaml",
        "alerting.yaml",
        "promises.yaml",
        "machine.yaml",
    }
    return load_config(path, environ={})


def test_it_loads_without_a_warning(config: Config) -> None:
    assert config.warnings == ()
    assert {name: channel.kind for name, channel in config.alerting.channels.items()} == {"board": "dashboard"}


def test_only_critical_sources_are_told(config: Config) -> None:
    rules = {rule.id: rule for rule in config.alerting.rules}
    assert {rule.id for rule in default_rules()} <= set(rules)
    assert [name for name, rule in rules.items() if rule.mode == "active"] == ["source-critical"]
    assert rules["source-critical"].hold.total_seconds() == 60
    assert config.alerting.spec.defaults is None


def test_rules_about_dagster_are_about_no_source_that_is_configured(config: Config) -> None:
    """The web server of `busta up` is a source as well, and has checks of its own."""
    rules = {rule.id: rule for rule in config.alerting.rules}
    named = {name for rule in ("dagster-runs", "dagster-asset-checks") for name in rules[rule].sources.source}
    assert named == {"dagster-events"}
    assert named.isdisjoint(source.id for source in config.sources)


def test_its_channels_in_comments_are_channels(tmp_path: Path) -> None:
    before, channels = ALERTING.split("\nchannels:\n")
    lines = [re.sub(r"^  # (  |(?=[a-z-]+:$))", r"  \1", line) for line in channels.splitlines()]
    (tmp_path / "monitoring.yaml").write_text("\n".join(["sources: []", "channels:", *lines, ""]))
    environ = {"SMTP_PASSWORD": "secret", "ALERT_WEBHOOK_SECRET": "secret"}
    environ["SLACK_WEBHOOK_URL"] = "https://hooks.example.com/T0"
    found = load_config(tmp_path / "monitoring.yaml", environ=environ).alerting.channels
    assert {name: channel.kind for name, channel in found.items()} == {
        "board": "dashboard", "team-mail": "email", "team-chat": "slack", "hook": "webhook",
    }  # fmt: skip
    assert yaml.safe_load(before)["rules"]

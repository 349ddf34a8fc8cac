"""The documents say what is true: their YAML loads, their links lead somewhere, their figures have a run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from monitoring_pipeline.alerting.delivery.selftest import test_message as a_test_message
from monitoring_pipeline.alerting.pipeline import STAGES
from monitoring_pipeline.alerting.rules import rule_tests
from monitoring_pipeline.alerting.rules.condition import Subject
from monitoring_pipeline.alerting.rules.defaults import default_rules
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.alerting.stage import Why
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.check import check_kinds
from monitoring_pipeline.config import load_config
from monitoring_pipeline.errors import ConfigError
from monitoring_pipeline.records import Source
from tests.alerting.delivery.channels.receiver import NOW, Receiver, sending

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def test_the_readmes_configuration_loads_and_does_what_it_says(tmp_path: Path) -> None:
    text = blocks(ROOT / "README.md", "yaml")[0]
    (tmp_path / "monitoring.yaml").write_text(text)
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert [source.id for source in config.sources] == [
        "orders-api",
        "orders-db",
        "nightly-export",
        "shop-nl",
        "shop-de",
    ]
    monitoring = Monitoring(config)
    assert "/push/" in monitoring.push_url("nightly-export/heartbeat")


def test_the_readmes_alerting_loads_without_a_warning(tmp_path: Path) -> None:
    text = next(block for block in blocks(ROOT / "README.md", "yaml") if "rules:" in block)
    (tmp_path / "monitoring.yaml").write_text(text)
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert config.warnings == ()
    assert config.alerting.rules
    assert config.alerting.channels


def test_the_configuration_of_the_page_on_reports_loads(tmp_path: Path) -> None:
    (tmp_path / "monitoring.yaml").write_text(blocks(ROOT / "docs" / "reports.md", "yaml")[0])
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert config.warnings == ()
    assert list(config.reports) == ["weekly", "orders-daily"]


def test_the_configuration_of_the_page_on_collectors_loads(tmp_path: Path) -> None:
    (tmp_path / "monitoring.yaml").write_text(blocks(ROOT / "docs" / "collection.md", "yaml")[0])
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert config.collectors["orders-loader"].thresholds.failure_rate.critical == 25
    assert [rule.id for rule in config.alerting.rules] == ["loader-fails", "loader-is-silent"]
    assert config.warnings == ()


def test_the_configuration_of_the_page_on_trends_loads(tmp_path: Path) -> None:
    limits, rules = blocks(ROOT / "docs" / "trends.md", "yaml")
    (tmp_path / "monitoring.yaml").write_text(EVERYTHING + limits + rules)
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert [limit.value for limit in config.analysis.limits] == [1e10, 1e5]
    assert [rule.id for rule in config.alerting.rules] == ["disk-full-soon", "about-to-fail"]
    assert config.warnings == ()


def test_the_readmes_suites_and_objectives_load_without_a_warning(tmp_path: Path) -> None:
    text = next(block for block in blocks(ROOT / "README.md", "yaml") if "suites:" in block)
    (tmp_path / "monitoring.yaml").write_text(text)
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert config.warnings == ()
    assert set(config.suites) == {"orders"}
    assert {name: spec.kind for name, spec in config.objectives.items()} == {
        "orders-up": "uptime",
        "orders-good": "quality",
    }


EVERYTHING = """\
sources:
  - {id: orders-db, component: data, tags: [dc1, prod], checks: [{kind: tcp, host: db.example.com, port: 5432}]}
  - {id: orders-replica, component: data, tags: [test], checks: [{kind: tcp, host: db.example.com, port: 5433}]}
  - {id: orders-api, component: web, owner: web, tags: [prod, eu-1], checks: [{kind: http, url: "http://example.com"}]}
  - {id: nightly-export, component: identity, tags: [prod], checks: [{kind: python, call: "exports:rows"}]}
"""


def guide_examples() -> list[str]:
    found = blocks(ROOT / "docs" / "alerting.md", "yaml")
    return [block for block in found if not block.startswith("tests:")]


@pytest.mark.parametrize("block", guide_examples(), ids=lambda block: block.split("\n")[1].strip()[:30])
def test_the_guide_to_alerting_loads_without_a_warning(block: str, tmp_path: Path) -> None:
    text = block if "sources:\n  - {id" in block else EVERYTHING + block
    (tmp_path / "monitoring.yaml").write_text(text)
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "https://example.com/secret")
    config = load_config(tmp_path / "monitoring.yaml", environ=environ)
    assert config.warnings == ()
    assert config.alerting != Plan(rules=default_rules())


def test_the_rule_test_of_the_guide_passes_for_the_rule_of_the_guide(tmp_path: Path) -> None:
    found = blocks(ROOT / "docs" / "alerting.md", "yaml")
    (text,) = [block for block in found if block.startswith("tests:")]
    (rules,) = [block for block in found if "id: api-slow" in block]
    (tmp_path / "monitoring.yaml").write_text(EVERYTHING + rules)
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    cases = rule_tests.Document.model_validate(yaml.safe_load(text)).tests
    outcomes = rule_tests.run_cases(rule_tests.Subject(config.alerting, config.sources, config.checks), cases)
    assert [(outcome.name, outcome.failures) for outcome in outcomes] == [
        ("a slow API pages after two minutes", ()),
    ]


def test_the_guide_names_every_stage_and_reason() -> None:
    text = (ROOT / "docs" / "alerting.md").read_text()
    table = text.split("| stage | asks |")[1].split("4. The outbox")[0]
    assert re.findall(r"^   \| (\w+) \|", table, re.MULTILINE) == [stage.__name__ for stage in STAGES]
    reasons = {why.value for why in Why}
    assert {reason for reason in reasons if f"`{reason}`" in text} == reasons


def test_the_readmes_error_is_the_one_people_get(tmp_path: Path) -> None:
    (message,) = [block for block in blocks(ROOT / "README.md", "text") if "htpp" in block]
    text = "version: 1\nsources:\n  - id: a\n    checks:\n      - kind: htpp\n        url: http://example.com\n"
    (tmp_path / "monitoring.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "monitoring.yaml", environ={})
    expected = message.strip().partition(": ")[2]
    assert expected in str(caught.value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_in_the_documents_is_yaml(page: Path) -> None:
    for block in blocks(page, "ya?ml"):
        yaml.safe_load(block)


def test_the_readme_names_every_check_kind() -> None:
    named = set(re.findall(r"`(\w+)`", (ROOT / "README.md").read_text()))
    assert set(check_kinds().by_name) <= named


def plug_in(name: str) -> Any:
    (code,) = [block for block in blocks(ROOT / "docs" / "plugins.md", "python") if f"class {name}(" in block]
    names: dict[str, Any] = {}
    exec(compile(code, "plugins.md", "exec", dont_inherit=True), names)
    return names[name]


def test_the_plug_in_example_is_a_check_kind() -> None:
    check = plug_in("QueueDepthCheck")(host="localhost")
    assert check.kind == "queue_depth"
    assert check.critical_conditions()[0].text == "waiting < 1000"


async def test_the_plug_in_example_is_a_channel_kind() -> None:
    async with Receiver() as receiver, sending() as context:
        receiver.answer(202)
        channel = plug_in("PagerAppChannel")(token="app-token", base_url=receiver.url)
        sent = await channel.send(a_test_message("app", "key-1", NOW), context)
    (request,) = receiver.requests
    assert sent.code == 202
    assert (request.path, request.headers["authorization"]) == ("/push", "Bearer app-token")
    assert request.json()["key"] == "key-1"


def test_the_plug_in_example_is_a_condition_kind() -> None:
    condition = plug_in("ScoreCondition")(kind="score", below=70)
    subject, now = Subject(Source("a", component="x")), NOW
    facts = SimpleNamespace(score=lambda source: {"a": 65.0}[source])
    assert condition.observe(subject, (), facts, now, None).truths == {None: True}
    facts = SimpleNamespace(score=lambda source: None)
    assert condition.observe(subject, (), facts, now, None).truths == {None: None}


def test_nothing_names_a_machine_or_a_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    for name in tracked:
        if name.endswith((".lock", ".md", ".toml", ".yaml", ".cfg", "Makefile")) or name == ".ci/run":
            text = (ROOT / name).read_text()
            assert not re.search(r"https?://(files\.pythonhosted|pypi)\.org|/root/|/work/", text), name

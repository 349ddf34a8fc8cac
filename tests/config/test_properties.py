"""Whatever is written, loading answers with a Config or a ConfigError, and dumps read back."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring_pipeline.config import Config, dump_config, load_config
from monitoring_pipeline.errors import ConfigError
from tests.config.test_alerting import WHOLE

KEYS = st.sampled_from(
    [
        "version",
        "name",
        "include",
        "sources",
        "components",
        "templates",
        "defaults",
        "stores",
        "api",
        "execution",
        "id",
        "use",
        "with",
        "for_each",
        "csv",
        "checks",
        "kind",
        "host",
        "port",
        "interval",
        "depends_on",
        "tags",
        "source",
        "check",
        "kinds",
        "tcp",
        "http",
        "conditions",
        "of",
        "cron",
        "timezone",
        "critical",
        "thresholds",
    ]
)
WORDS = st.sampled_from(
    [
        "a",
        "b",
        "tcp",
        "http",
        "composite",
        "{id}",
        "{host}",
        "${X}",
        "${Y:-1}",
        "${file:.}",
        "${",
        "1m",
        "* * * * *",
        "a/tcp",
        "status == 200",
        "a <",
        "Europe/Berlin",
        "..",
        "/",
        "\x00",
        "**",
        "é",
        "",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=8)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6)
)
PIECES = st.sampled_from(
    [*"[]{}:,-?&*!|>'\"%@`#~ \n\t", "a", "&a ", "*a", "<<: ", "- ", "sources:\n", "  ", "id: ", "---\n", "!!str ", "\r"]
)


def _load(text: str, environ: dict[str, str]) -> Config | ConfigError:
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("x.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
            return load_config(Path("x.yaml"), environ=environ)
        except ConfigError as error:
            return error
        finally:
            os.chdir(here)


def _answers(text: str) -> None:
    found = _load(text, {"X": "x", "KEY": "k"})
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in found.problems)
    else:
        assert isinstance(yaml.safe_load(dump_config(found)), dict)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200) | st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_answered(text: str) -> None:
    _answers(text)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, TREES, max_size=8))
def test_any_tree_is_answered(tree: dict[str, Any]) -> None:
    _answers(json.dumps(tree))


SAID_OF_ALERTING = """
id kind when of source check metric sources match by mute rule labels severity notify escalation levels after members
channels oncall people overrides from to person fallback email slack calendar summary templates hours days threshold
clear values expression cron rrule start end duration routes inhibitions group_by equal repeat_interval notify_owner
owner continue storm_cap
"""
MEANT_BY_ALERTING = """
a b db x status metric all not any expression pattern email slack dashboard webhook channel:a person:a team:a oncall:a
channel: oncall {{ {{x}} {{name}} ${X} 1m 0s 22:00 25:00 2026-01-01T10:00 x.ics FREQ=DAILY * [ critical mon a* > 1.0 <
"""
ALERTING_KEYS = st.sampled_from(SAID_OF_ALERTING.split())
ALERTING_WORDS = st.sampled_from(MEANT_BY_ALERTING.split())
ALERTING_TREES = st.recursive(
    LEAVES | ALERTING_WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ALERTING_KEYS, inner, max_size=5),
)
SECTIONS = ["alerting", "rules", "channels", "people", "teams", "rotas", "escalations", "maintenance"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(SECTIONS), ALERTING_TREES, max_size=4))
def test_any_tree_of_alerting_is_answered(tree: dict[str, Any]) -> None:
    _answers(json.dumps({"sources": [{"id": "db"}], **tree}))


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree that something else can be put into, as its holder and key or index."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [place for key in keys for place in [(node, key), *_places(node[key])]]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_plan_in_which_something_is_wrong_is_answered(data: st.DataObject) -> None:
    tree = yaml.safe_load(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(_places(tree)))
        holder[key] = data.draw(ALERTING_TREES)
    _answers(json.dumps(tree, default=str))


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{\x85\u2028\u2029\ufeff\ufffe\uffff")
)
CHECKS = st.fixed_dictionaries(
    {"kind": st.just("tcp"), "host": IDS, "port": st.integers(1, 65535)},
    optional={
        "interval": st.sampled_from(["1s", "90s", "2d", 30]),
        "conditions": st.just(["response_time_ms < 5", {"warning": "response_time_ms < 1"}]),
        "thresholds": st.just({"response_time_ms": {"critical": 5}}),
        "enabled": st.booleans(),
    },
)
SOURCES = st.fixed_dictionaries(
    {"id": IDS},
    optional={"name": TEXTS, "owner": TEXTS, "tags": st.lists(TEXTS), "checks": st.lists(CHECKS, max_size=3)},
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SOURCES, max_size=4, unique_by=lambda source: source["id"]))
def test_a_dump_reads_back(sources: list[dict[str, Any]]) -> None:
    text = json.dumps({"name": "n", "sources": sources}, ensure_ascii=False).replace("${", "$${")
    first = _load(text, {})
    assert isinstance(first, Config), first
    again = _load(dump_config(first).replace("operational: '**********'", "operational: null"), {})
    assert isinstance(again, Config), again
    assert again.sources == first.sources
    assert [bound.check for bound in again.checks] == [bound.check for bound in first.checks]

"""A good configuration becomes what every surface needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.checks.check import Check, check_kinds
from monitoring_pipeline.config import dump_config, loading
from monitoring_pipeline.config.extras import missing_extras
from monitoring_pipeline.errors import ConfigError
from monitoring_pipeline.kinds import Kinds
from monitoring_pipeline.records import Criticality
from tests.config.conftest import Load

EXAMPLE = """\
    version: 1
    name: Orders platform
    include: [sources/*.yaml]
    stores: {directory: data}
    retention: {samples: 30d}
    execution: {concurrency: 50}
    api: {port: "${PORT:-8081}"}
    defaults:
      source: {owner: data-team, criticality: medium, tags: [prod]}
      check: {interval: 60s, timeout: 10s, retries: 2}
      kinds: {http: {headers: {User-Agent: busta, Accept: text/html}}}
    templates:
      web-api:
        component: web
        criticality: high
        with: {path: health}
        checks:
          - {kind: http, id: health, url: "https://{host}/{path}", interval: 30s}
    components:
      web: {description: The shop, owner: web-team, aggregation: weighted}
    sources:
      - id: orders-api
        use: web-api
        with: {host: orders.example.com}
        depends_on: [orders-db]
        checks:
          - {id: health, timeout: 5s, headers: {Accept: application/json}}
          - {kind: tcp, host: orders.example.com, port: 443}
          - {kind: tcp, host: orders.example.com, port: 80, enabled: false}
      - for_each:
          - {id: shop-1, host: shop-1.example.com}
          - {id: shop-2, host: shop-2.example.com, path: "up?all={1,2}"}
        id: "{id}"
        use: web-api
      - {id: old, enabled: false, checks: [{kind: tcp, host: gone, port: 1}]}
    """
FILES = {
    "sources/db.yaml": """\
        sources:
          - id: orders-db
            component: databases
            checks: [{kind: tcp, host: "${DB}", port: "${DB_PORT}", depends_on: [orders-api/tcp]}]
          - for_each: {csv: hosts.csv}
            id: "host-{name}"
            name: "Host {id}"
            checks: [{kind: tcp, host: "{name}.example.com", port: "{port}"}]
        """,
    "sources/hosts.csv": "name, port\r\n007, 22\r\nb, 2222\r\n",
}
ENVIRON = {"DB": "db.example.com", "DB_PORT": "5432"}


def test_the_whole_example(load: Load, tmp_path: Path) -> None:
    config = load(EXAMPLE, FILES, ENVIRON)
    assert config.name == "Orders platform"
    assert config.warnings == ()
    assert [source.id for source in config.sources] == [
        "orders-api", "shop-1", "shop-2", "orders-db", "host-007", "host-b"
    ]  # fmt: skip
    assert [check.key for check in config.checks] == [
        "orders-api/health", "orders-api/tcp", "orders-api/tcp-2", "shop-1/health", "shop-2/health",
        "orders-db/tcp", "host-007/tcp", "host-b/tcp",
    ]  # fmt: skip
    assert {component.id: component.aggregation for component in config.components} == {
        "web": "weighted",
        "databases": "worst",
        "default": "worst",
    }
    assert config.path == tmp_path / "monitoring.yaml"
    assert config.stores.directory == tmp_path / "data"
    assert config.stores.warehouse == tmp_path / "data" / "warehouse.duckdb"
    assert config.published == tmp_path / "data" / "published" / "warehouse.duckdb"
    assert config.stores.operational is not None
    assert config.stores.operational.get_secret_value() == f"sqlite:///{tmp_path}/data/operational.db"
    assert (config.retention.samples, config.execution.concurrency, config.api.port) == (timedelta(days=30), 50, 8081)
    assert [check.key for check in config.checks_of(["shop-2", "host-b"])] == ["shop-2/health", "host-b/tcp"]


def test_precedence(load: Load) -> None:
    config = load(EXAMPLE, FILES, ENVIRON)
    orders, shop = config.sources[0], config.sources[2]
    assert (orders.owner, orders.criticality, orders.tags) == ("data-team", Criticality.HIGH, ("prod",))
    assert (orders.component, orders.name) == ("web", "orders-api")
    by_key = {check.key: check.check for check in config.checks}
    health = by_key["orders-api/health"].model_dump(mode="json")
    assert (health["interval"], health["timeout"], health["retries"]) == ("30s", "5s", 2)
    assert set(health["headers"]) == {"User-Agent", "Accept"}
    assert health["url"] == "https://orders.example.com/health"
    assert by_key[f"{shop.id}/health"].model_dump()["url"] == "https://shop-2.example.com/up?all={1,2}"
    assert by_key["orders-db/tcp"].model_dump()["port"] == 5432
    assert not by_key["orders-api/tcp-2"].enabled


def test_rows_of_a_csv_file_keep_texts_and_numbers(load: Load) -> None:
    config = load(EXAMPLE, FILES, ENVIRON)
    host = config.checks_of(["host-007"])[0]
    assert (host.source.name, host.check.model_dump()["host"]) == ("Host host-007", "007.example.com")
    assert host.check.model_dump()["port"] == 22


def test_unquoted_numbers_are_texts_where_texts_are_wanted(load: Load) -> None:
    config = load("name: 2024\nsources: [{id: 007, owner: 1e3, tags: [1, no, 0x1f]}]\n")
    assert config.name == "2024"
    assert (config.sources[0].id, config.sources[0].owner) == ("007", "1e3")
    assert config.sources[0].tags == ("1", "no", "0x1f")


def test_only_an_explicit_id_changes_a_templates_check(load: Load) -> None:
    text = """\
        templates:
          a: {checks: [{kind: tcp, host: a, port: 1}, {kind: tcp, id: named, host: a, port: 1, interval: 9s}]}
          b: {checks: [{id: named, port: 2}]}
        sources:
          - id: s
            use: [a, b]
            checks: [{kind: tcp, host: b, port: 3}, {id: named, interval: null}]
        """
    checks = {bound.check.id: bound.check for bound in load(text).checks}
    assert list(checks) == ["tcp", "named", "tcp-2"]
    assert checks["named"].model_dump()["port"] == 2
    assert checks["named"].interval == timedelta(seconds=60), "null takes the template's value away"


def test_placeholders_without_a_value_stay(load: Load) -> None:
    body = '{"query": {"x": "{host}", "y": "${env}"}}'.replace("${env}", "$${env}")
    text = f"sources: [{{id: a, with: {{host: h}}, checks: [{{kind: tcp, host: x, port: 1, send: '{body}'}}]}}]\n"
    assert load(text).checks[0].check.model_dump()["send"] == '{"query": {"x": "h", "y": "${env}"}}'


def test_a_placeholder_alone_keeps_what_it_stands_for(load: Load) -> None:
    text = """\
        templates: {t: {tags: "{tags}", checks: [{kind: tcp, host: x, port: "{port}"}]}}
        sources: [{id: a, use: t, with: {tags: [x, y], port: 7}}]
        """
    config = load(text)
    assert config.sources[0].tags == ("x", "y")
    assert config.checks[0].check.model_dump()["port"] == 7


def test_relative_stores_count_from_the_file(load: Load, tmp_path: Path) -> None:
    config = load("stores: {operational: 'sqlite:///ops/x.db', warehouse: w/x.duckdb, directory: ~no-such-user/x}\n")
    assert config.stores.directory == tmp_path / "~no-such-user" / "x"
    assert config.stores.operational is not None
    assert config.stores.operational.get_secret_value() == f"sqlite:///{tmp_path}/ops/x.db"
    assert config.stores.warehouse == tmp_path / "w" / "x.duckdb"


def test_a_name_of_this_folder_with_glob_signs_can_be_included(load: Load) -> None:
    assert load("include: ['*/s.yaml']\n", {"a[1]/s.yaml": "sources: [{id: x}]\n"}).sources[0].id == "x"


def test_relative_paths_of_checks_count_from_the_file(load: Load, tmp_path: Path) -> None:
    text = """\
        execution: {allow_commands: true}
        sources:
          - id: a
            checks:
              - {kind: command, argv: [ls], cwd: here}
              - {kind: python, call: "m:f", path: [code, /opt/code]}
        """
    command, python = (bound.check.model_dump() for bound in load(text).checks)
    assert command["cwd"] == tmp_path / "here"
    assert python["path"] == (tmp_path / "code", Path("/opt/code"))


def test_warnings(load: Load) -> None:
    text = """\
        components: {warehouse: {}}
        templates: {t: {description: "{host}"}}
        sources:
          - {id: a, component: warehuose, use: t, with: {hots: x}, depends_on: [b]}
          - {id: b, enabled: false}
        """
    config = load(text)
    assert config.warnings == (
        "monitoring.yaml:4:50: nothing uses the placeholder {hots}; did you mean 'host'?",
        "monitoring.yaml:4:24: the component 'warehuose' is not declared and is created; did you mean 'warehouse'?",
        "monitoring.yaml:4:73: the source 'a' depends on 'b', which is disabled",
    )
    assert config.sources[0].depends_on == ()
    assert load("version: 1\n").warnings == ("monitoring.yaml:1:1: there are no sources: nothing is monitored",)


def test_broken_plug_ins_and_missing_clients(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = Kinds(check_kinds().by_name, {"ftp": "ImportError: no ftplib"})
    monkeypatch.setattr(loading, "check_kinds", lambda: kinds)
    assert "the check kind 'ftp' could not be loaded: ImportError: no ftplib" in load("sources: [{id: a}]\n").warnings
    with pytest.raises(ConfigError, match="its plug-in could not be loaded: ImportError: no ftplib"):
        load("sources: [{id: a, checks: [{kind: ftp}]}]\n")


def test_a_missing_client_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rare(Check):
        extra = "rare"

    lines = ["click>=8", 'no-such-client>=1; extra == "rare"', 'pytest; extra == "other"']
    monkeypatch.setattr("monitoring_pipeline.config.extras.requires", lambda _: lines)
    assert missing_extras("check", {"rare": Rare}) == [
        "the check kind 'rare' needs a client that is not installed: pip install 'monitoring-pipeline[rare]'"
    ]
    lines[1] = 'click>=1; extra == "rare"'
    assert missing_extras("check", {"rare": Rare}) == []


def test_the_fingerprint_follows_what_matters(load: Load) -> None:
    before = load(EXAMPLE, FILES, ENVIRON).fingerprint
    assert load(EXAMPLE + "# a comment\n", FILES, ENVIRON).fingerprint == before
    assert load(EXAMPLE, FILES, {**ENVIRON, "DB": "other.example.com"}).fingerprint != before
    assert load(EXAMPLE.replace("50}", "51}"), FILES, ENVIRON).fingerprint != before
    assert load(EXAMPLE.replace("/{path}", "/x/{path}"), FILES, ENVIRON).fingerprint != before


def test_a_dump_loads_to_the_same(load: Load) -> None:
    first = load(EXAMPLE, FILES, ENVIRON)
    again = load(dump_config(first).replace("operational: '**********'", "operational: null"))
    assert again.sources == first.sources
    assert again.components == first.components
    kept = [check.model_dump(exclude={"headers"}) for check in (bound.check for bound in first.checks)]
    assert [bound.check.model_dump(exclude={"headers"}) for bound in again.checks] == kept
    assert (again.retention, again.execution, again.api) == (first.retention, first.execution, first.api)


def test_patterns_and_databases_in_files_count_from_the_file_too(load: Load, tmp_path: Path) -> None:
    config = load(
        """
        sources:
          - id: a
            checks:
              - {kind: file, path: "in/**/*.csv"}
              - {kind: file, path: /srv/in/x.csv}
              - {kind: sql, url: "sqlite:///shop.db"}
              - {kind: sql, url: "duckdb:////srv/shop.duckdb"}
              - {kind: sql, url: "postgresql://db.example.com/shop"}
        """
    )
    file, absolute, sqlite, duckdb, postgresql = (bound.check for bound in config.checks)
    assert file.path == f"{tmp_path}/in/**/*.csv"
    assert absolute.path == "/srv/in/x.csv"
    assert sqlite.url.get_secret_value() == f"sqlite:///{tmp_path}/shop.db"
    assert duckdb.url.get_secret_value() == "duckdb:////srv/shop.duckdb"
    assert postgresql.url.get_secret_value() == "postgresql://db.example.com/shop"

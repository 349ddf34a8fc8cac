"""Suites in the configuration: what loads, and what is said of what does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.tables.file import FileTable
from monitoring_pipeline.quality.tables.postgresql import PostgresTable
from tests.config.conftest import Load, Problems

SOURCE = "sources:\n  - {id: orders}\nsuites:\n  daily:\n    source: orders\n"

TABLE = "    table: {kind: sqlite, path: a, table: t}\n"


def test_a_suite_loads(load: Load, tmp_path: Path) -> None:
    config = load(
        SOURCE
        + "    table: {kind: file, path: in/*.csv}\n    every: 6h\n    masked: [email]\n"
        + "    expectations:\n"
        + "      - {type: expect_column_values_to_be_between, column: price, min_value: 0, weight: 2}\n"
        + "      - {type: 'acme.rules:ExpectTotals', totals: [1, 2]}\n"
    )
    suite = config.suites["daily"]
    assert isinstance(suite.table, FileTable)
    assert suite.table.path == str(config.path.parent / "in/*.csv")
    assert suite.every == timedelta(hours=6)
    prices, own = suite.expectations
    assert prices.arguments == {"column": "price", "min_value": 0}
    assert (prices.about, prices.title) == (Dimension.VALIDITY, "price values to be between")
    assert own.arguments == {"totals": [1, 2]}


def test_passwords_of_tables_are_secrets(load: Load) -> None:
    config = load(
        SOURCE + "    table:\n      kind: http_json\n      url: https://api.example.com/\n"
        "      headers: {X-Access: open-sesame-1}\n"
        "  other:\n    source: orders\n"
        "    table: {kind: postgresql, url: 'postgresql://me:open-sesame-2@db.example.com/x', table: t}\n"
    )
    assert isinstance(config.suites["other"].table, PostgresTable)
    assert config.redact("open-sesame-1 and open-sesame-2") == "*** and ***"


def test_suites_of_disabled_sources_are_left_out(load: Load) -> None:
    config = load("sources:\n  - {id: orders, enabled: false}\nsuites:\n  daily: {source: orders, validator: 'a:B'}\n")
    assert config.suites == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "    table: {kind: duckdbb, path: a, table: t}\n",
            (
                "6:19: suites.daily.table.kind: 'duckdbb' is not a table kind; did you mean 'duckdb'?; "
                "known kinds: duckdb, file, http_json, mysql, postgresql, s3, sqlite"
            ),
        ),
        (
            "    table: {kind: sqlite, path: a, tabel: t}\n",
            (
                "6:36: suites.daily.table.tabel: unknown key 'tabel'; did you mean 'table'?; "
                "allowed: kind, path, query, table"
            ),
        ),
        (
            TABLE + "    expectations: [{type: expect_column_to_exits, column: a}]\n",
            (
                "7:27: suites.daily.expectations[0].type: 'expect_column_to_exits' is not an expectation of Great "
                "Expectations; did you mean 'expect_column_to_exist'? (one of your own is written package.module:Class)"
            ),
        ),
        (
            TABLE + "    expectations:\n      - type: expect_column_to_exist\n        colum: a\n",
            (
                "9:9: suites.daily.expectations[0].colum: unknown argument 'colum' of expect_column_to_exist; "
                "did you mean 'column'? (allowed: column, column_index)"
            ),
        ),
        (
            TABLE + "    expectations:\n      - type: expect_column_to_exist\n",
            "8:9: suites.daily.expectations[0]: expect_column_to_exist needs 'column'",
        ),
        (
            TABLE + "    max_age: 1h\n",
            "5:5: suites.daily: max_age needs the `freshness_column` that tells how new a row is",
        ),
        (
            TABLE + "    expectations: [{type: expect_column_values_to_be_unique, column: a, mostly: 95}]\n",
            "7:20: suites.daily.expectations[0]: mostly is a share from 0 to 1, not 95",
        ),
        (
            TABLE
            + "    expectations: [{type: expect_column_values_to_be_between, column: a, min_value: 2, max_value: 1}]\n",
            "7:20: suites.daily.expectations[0]: min_value (2) lies above max_value (1)",
        ),
        (
            TABLE + "    expectations: [{type: expect_column_values_to_match_regex, column: a, regex: '(['}]\n",
            (
                "7:20: suites.daily.expectations[0]: '([' is not a regular expression: "
                "unterminated character set at position 1"
            ),
        ),
        (TABLE + "    every: 2h\n    cron: 0 6 * * *\n", "5:5: suites.daily: give either `every` or `cron`"),
        ("    every: 2h\n", "5:5: suites.daily: a suite needs a `table` to look at, or a `validator`"),
        (
            "    reported: true\n",
            "5:5: suites.daily: a suite that is reported needs `every` or `cron`: how often it comes",
        ),
        (
            TABLE + "    reported: true\n    every: 1d\n",
            "5:5: suites.daily: a suite that is reported runs elsewhere: it has no `table` and no `validator` here",
        ),
        (
            TABLE + "    thresholds: {validity: {warning: 90, critical: 95}}\n",
            "7:28: suites.daily.thresholds.validity: `warning` must not lie below `critical`",
        ),
        (
            "    validator: acme\n",
            "6:16: suites.daily.validator: 'acme' should be package.module:Class",
        ),
        (
            "    table: {kind: postgresql, table: t, url: 'postgresqll://me:hunter22@h/x'}\n",
            (
                "6:46: suites.daily.table.url: this value: 'postgresqll' is no database that can be checked; "
                "did you mean 'postgresql'? (allowed: postgresql://, mysql://, mariadb://, sqlite:///path or duckdb:///path)"
            ),
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_place(problems: Problems, text: str, message: str) -> None:
    assert problems(SOURCE + text) == [f"monitoring.yaml:{message}"]


def test_a_source_and_a_suite_or_an_objective_that_would_be_one_asset(problems: Problems) -> None:
    text = (
        "sources:\n  - {id: daily, component: quality}\n  - {id: uptime, component: sla}\n"
        "suites:\n  daily: {source: uptime, validator: 'a:B'}\n"
        "objectives:\n  uptime: {source: uptime, target: 99%}\n"
    )
    told = "are one asset in Dagster, {}; rename one of them"
    suite = "this suite and the source 'daily' of the component 'quality' "
    objective = "this objective and the source 'uptime' of the component 'sla' "
    assert problems(text) == [
        f"monitoring.yaml:5:3: suites.daily: {suite}{told.format('quality/daily')}",
        f"monitoring.yaml:7:3: objectives.uptime: {objective}{told.format('sla/uptime')}",
    ]


def test_sources_with_suites_have_a_built_in_rule(load: Load) -> None:
    config = load(SOURCE + "    validator: a:B\n")
    (rule,) = [rule for rule in config.alerting.rules if rule.id == "data-quality"]
    assert rule.sources.source == ("orders",)
    assert config.warnings == ()

"""What expectations find: through the process of suites, over one table with every trouble a table may have."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from monitoring_pipeline.quality.catalogue import catalogue
from monitoring_pipeline.quality.examine import Order
from monitoring_pipeline.quality.examine import examine as examine_here
from monitoring_pipeline.quality.outcome import Examination, Finding
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.records import Status
from tests.quality.conftest import NOW, Examine

ROWS = 1000
TABLE = f"""
    CREATE TABLE orders AS SELECT
        i AS id,
        CASE WHEN i % 100 = 0 THEN NULL ELSE i * 1.5 END AS price,
        'c' || (i % 5) AS category,
        'person' || i || '@example.com' AS email,
        TIMESTAMP '2026-01-01' + to_seconds(i) AS placed,
        (TIMESTAMP '2026-01-01' + to_seconds(i))::TIMESTAMPTZ AS paid,
        DATE '2026-01-01' + (i % 300)::INT AS day,
        NULL::VARCHAR AS empty,
        CASE WHEN i = 7 THEN NULL ELSE 9007199254740993 + i END AS large,
        CASE WHEN i = 7 THEN NULL ELSE i END AS counted,
        (9007199254740993 + i)::DECIMAL(38, 0) AS digits,
        [i] AS parts,
        i AS "two words",
        9007199254740993 * 2 + i AS vast,
        CASE WHEN i = 7 THEN 'NaN'::DOUBLE ELSE i::DOUBLE END AS measured,
        {{'a': i}} AS nested,
        uuid() AS token,
        '{{"a": 1}}' AS document,
        '2026-01-02' AS written
    FROM range({ROWS}) t(i)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "orders.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLE)
        connection.execute("CREATE TABLE nothing AS SELECT * FROM orders WHERE false")
    return path


def column(what: str, name: str, /, **arguments: object) -> dict[str, object]:
    return {"type": f"expect_column_{what}", "column": name, **arguments}


def rows(query: str) -> dict[str, object]:
    return {"type": "unexpected_rows_expectation", "unexpected_rows_query": query}


COUNT = {"type": "expect_table_row_count_to_equal", "value": ROWS}
MATCH_SET = {"type": "expect_table_columns_to_match_set", "column_set": ["id", "weight"], "exact_match": True}
EXPECTATIONS: list[tuple[dict[str, object], bool | None, str]] = [
    (column("values_to_not_be_null", "price"), False, "10 of 1,000 values fail (1 %)"),
    (column("values_to_not_be_null", "price", mostly=0.95), True, "10 of 1,000 values fail (1 %)"),
    (column("values_to_be_unique", "id"), True, "all 1,000 values pass"),
    (column("values_to_be_unique", "large"), True, "all 999 values pass"),
    (column("values_to_be_unique", "digits"), True, "all 1,000 values pass"),
    (column("values_to_be_between", "large", max_value=2**53), None, "9,007,199,254,740,992 cannot be told from"),
    (column("max_to_be_between", "digits", max_value=2**53 + 999), None, "judge them by SQL"),
    (column("values_to_be_between", "large", max_value=10**17), True, "all 999 values pass"),
    (column("values_to_be_between", "counted", max_value=2**63), True, "all 999 values pass"),
    (column("values_to_be_in_set", "category", value_set=["c1", "c2"]), False, "600 of 1,000 values fail (60 %)"),
    (column("values_to_be_in_set", "counted", value_set=list(range(ROWS))), True, "all 999 values pass"),
    (column("values_to_be_between", "placed", min_value="2026-01-01T00:10:00"), False, "600 of 1,000 values fail"),
    (column("values_to_be_between", "placed", min_value="2026-01-01"), True, "all 1,000 values pass"),
    (column("values_to_be_between", "paid", max_value="2026-01-01"), False, "999 of 1,000 values fail (99.9 %)"),
    (column("values_to_be_between", "placed", min_value="2026-01-01T00:00:00+00:00"), True, "all 1,000 values pass"),
    (column("max_to_be_between", "day", max_value="2026-06-01"), False, "found 2026-10-27T00:00:00"),
    (column("mean_to_be_between", "price", min_value=1, max_value=2), False, "found 750"),
    (column("mean_to_be_between", "category", min_value=1), None, "mean"),
    (column("sum_to_be_between", "vast", min_value=1), None, "the sum does not fit into 64 bits"),
    (column("sum_to_be_between", "id", max_value=499_500), True, "found 499,500"),
    (column("values_to_be_between", "category", min_value=1), None, "column 'category' holds texts"),
    (column("values_to_be_between", "written", min_value="2026-01-02"), None, "a `query` may cast it"),
    (column("values_to_match_regex", "empty", regex="x"), None, "no data: column empty has no value at all"),
    (column("max_to_be_between", "empty", min_value=1), None, "no data"),
    (column("values_to_not_be_null", "empty"), False, "1,000 of 1,000 values fail (100 %)"),
    (column("values_to_not_be_null", "pric"), None, "there is no column 'pric'; did you mean 'price'?"),
    (column("to_exist", "pric"), False, ""),
    (column("values_to_be_of_type", "counted", type_="int64"), True, "found BIGINT"),
    (column("values_to_be_of_type", "counted", type_="str"), False, "found BIGINT"),
    (column("values_to_be_in_type_list", "price", type_list=["float", "int"]), True, "found DECIMAL"),
    (column("values_to_match_like_pattern", "category", like_pattern="c_"), True, "all 1,000 values pass"),
    (column("values_to_not_match_like_pattern", "category", like_pattern="%1"), False, "200 of 1,000 values fail"),
    (column("values_to_match_regex", "email", regex="[0-9]$"), False, "1,000 of 1,000 values fail (100 %)"),
    (column("values_to_match_regex", "token", regex="^[0-9a-f-]{36}$"), True, "all 1,000 values pass"),
    (column("values_to_be_json_parseable", "document"), True, "all 1,000 values pass"),
    (column("values_to_match_strftime_format", "written", strftime_format="%Y-%m-%d"), True, "all 1,000 values pass"),
    (column("values_to_be_unique", "parts"), True, "all 1,000 values pass"),
    (column("values_to_not_be_null", "price", row_condition='category == "c0"'), False, "10 of 200 values fail (5 %)"),
    (column("values_to_not_be_null", "price", row_condition='category == "c9"'), None, "no data"),
    (column("values_to_not_be_null", "price", row_condition="`two words` < 100"), False, "1 of 100 values fail (1 %)"),
    (column("to_exist", "pric"), False, "there is no column 'pric'"),
    (column("values_to_not_be_null", "measured"), False, "1 of 1,000 values fail (0.1 %)"),
    ({"type": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "price", "column_B": "id",
      "or_equal": True, "ignore_row_if": "either_value_is_missing"}, True, "pass"),
    ({"type": "expect_compound_columns_to_be_unique", "column_list": ["category", "day"]}, False, ""),
    (COUNT, True, "found 1,000"),
    ({"type": "expect_table_row_count_to_be_between", "max_value": 10}, False, "found 1,000"),
    ({"type": "expect_table_column_count_to_equal", "value": 19}, True, "as expected"),
    (MATCH_SET, False, "missing weight"),
    (rows("SELECT id, price FROM {batch} WHERE price > 1490"), False, "6 of 1,000 rows fail (0.6 %)"),
    (rows("SELECT nonsense FROM {batch}"), None, "nonsense"),
    (rows("SELECT * FROM read_csv('/etc/passwd')"), None, "disabled"),
]  # fmt: skip


@pytest.fixture(scope="module")
def examined(examine: Examine, database: Path) -> Examination:
    table = {"kind": "duckdb", "path": database, "table": "orders"}
    return examine(table=table, masked=["email"], expectations=[each for each, _, _ in EXPECTATIONS])


def judged(examined: Examination) -> list[Finding]:
    """The findings of the expectations, without those that are always there."""
    return list(examined.findings[1:])


@pytest.mark.parametrize("number", range(len(EXPECTATIONS)), ids=lambda n: f"{n} {EXPECTATIONS[n][0]['type']}")
def test_an_expectation_finds(examined: Examination, number: int) -> None:
    assert examined.problem == ""
    (_, met, text), finding = EXPECTATIONS[number], judged(examined)[number]
    assert (finding.met, text in finding.text) == (met, True), finding


def test_what_is_no_number_is_missing_in_the_profile_too(examined: Examination) -> None:
    assert examined.profile is not None
    (measured,) = (each for each in examined.profile.columns if each.name == "measured")
    assert (measured.nulls, measured.distinct, measured.minimum, measured.maximum) == (1, 999, 0.0, 999.0)


def test_rows_that_fail_are_shown_and_masked_columns_covered(examined: Examination) -> None:
    nulls = judged(examined)[0]
    assert [row["id"] for row in nulls.rows] == [0, 100, 200, 300, 400]
    assert {row["email"] for row in nulls.rows} == {"***"}
    assert {row["price"] for row in nulls.rows} == {None}


def test_nothing_of_a_masked_column_gets_out(examined: Examination) -> None:
    assert "example.com" not in str(examined.document())


@pytest.mark.parametrize("masked", ["email", "EMAIL"])
def test_errors_quote_nothing_of_a_masked_column(
    examine: Examine, database: Path, tmp_path: Path, masked: str
) -> None:  # fmt: skip
    table = {"kind": "duckdb", "path": database, "table": "orders"}
    dates = rows("SELECT * FROM {batch} WHERE strptime(email, '%Y') IS NULL")
    suite = [column("values_to_not_be_null", "price"), column("mean_to_be_between", "email", max_value=1), dates]
    found = examine(table=table, masked=[masked], expectations=suite)
    assert "example.com" not in str(found.document())
    assert found.findings[1].rows[0]["email"] == "***"
    lines = tmp_path / "people.csv"
    lines.write_text("id,email\n" + "1,ann@example.com\n" * 30_000 + "x,eve@example.com\n")
    broken = examine(table={"kind": "file", "path": str(lines)}, masked=[masked])
    assert "ConversionException" in broken.problem
    assert "example.com" not in str(broken.document())
    missing = examine(table={"kind": "file", "path": str(tmp_path / "no.csv")}, masked=[masked])
    assert missing.problem.startswith("there is no file")


def test_a_finding_counts_with_the_share_that_passes(examined: Examination) -> None:
    assert judged(examined)[0].share == pytest.approx(0.99)
    assert judged(examined)[0].failed == 10
    assert judged(examined)[0].status is Status.CRITICAL


def test_an_empty_table_is_no_data_and_not_perfect(examine: Examine, database: Path) -> None:
    table = {"kind": "duckdb", "path": database, "table": "nothing"}
    found = examine(
        table=table, expectations=[column("values_to_be_unique", "id"), column("values_to_not_be_null", "id")]
    )
    rows, *rest = found.findings
    assert (rows.met, rows.text, rows.share) == (False, "no data: the table is empty", 0.0)
    assert [(finding.met, finding.text) for finding in rest] == [(None, "no data: the table is empty")] * 2
    assert found.status is Status.CRITICAL


def test_a_file_of_nothing_is_no_data_and_has_no_columns_to_lose(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    found = examine(
        table={"kind": "file", "path": f"{tmp_path}/a.csv"}, freshness_column="at", max_age="1h",
        expectations=[column("values_to_be_unique", "id"), column("to_exist", "id"), rows("SELECT * FROM {batch}")],
    )  # fmt: skip
    assert (found.problem, found.schema, found.status) == ("", {}, Status.CRITICAL)
    assert [(finding.met, finding.text) for finding in found.findings] == [
        (False, "no data: the table is empty"), (None, "no data: no row says how new it is"),
        (None, "no data: the table is empty"), (False, "there is no column 'id'"),
        (None, "no data: the table is empty"),
    ]  # fmt: skip


def test_an_empty_table_may_be_allowed_and_is_unknown_then(examine: Examine, database: Path) -> None:
    table = {"kind": "duckdb", "path": database, "table": "nothing"}
    found = examine(table=table, min_rows=0, expectations=[column("values_to_be_unique", "id")])
    assert found.status is Status.UNKNOWN


def test_a_huge_table_is_sampled_the_same_each_time_and_counted_exactly(examine: Examine, database: Path) -> None:
    table = {"kind": "duckdb", "path": database, "table": "orders"}
    suite = {"table": table, "max_rows": 300, "expectations": [column("values_to_not_be_null", "price"), COUNT]}
    first, second = examine(**suite), examine(**suite)
    assert (first.rows, first.examined) == (ROWS, 300)
    assert [finding.met for finding in judged(first)] == [False, True]
    assert judged(first)[0].checked == 300
    assert first.findings == second.findings


def test_freshness_is_judged_by_the_newest_row(examine: Examine, database: Path) -> None:
    table = {"kind": "duckdb", "path": database, "table": "orders"}
    suite = {"table": table, "freshness_column": "placed"}
    old = examine(**suite, max_age="1d").findings[1]
    assert (old.met, old.dimension) == (False, "timeliness")
    assert old.text == "the newest row is 333d11h43m21s old, 1d at most is expected"
    assert examine(**suite, max_age="400d").findings[1].met is True
    ahead = examine(table={**table, "table": None, "query": "SELECT TIMESTAMP '2027-01-01' AS placed"}, max_age="1d",
                    freshness_column="placed").findings[1]  # fmt: skip
    assert (ahead.met, ahead.text.partition(",")[0]) == (None, "the newest row lies 31d12h in the future")
    sampled = examine(**suite, max_age="1d", max_rows=100)
    assert (sampled.examined, sampled.findings[1].text) == (100, old.text)


def test_every_type_of_the_catalogue_is_judged_or_says_why_not(examine: Examine, database: Path) -> None:
    given = {"column": "id", "column_A": "id", "column_B": "counted", "column_list": ["id", "counted"],
             "value_set": [1], "value": 1, "type_": "int",
             "threshold": 3, "double_sided": True, "value_pairs_set": [[1, 2]],
             "like_pattern": "%", "like_pattern_list": ["%"], "regex": ".", "regex_list": ["."], "sum_total": 3,
             "strftime_format": "%Y", "json_schema": {}, "unexpected_rows_query": "SELECT 1 FROM {batch} WHERE false",
             "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1000]]}}  # fmt: skip
    suite = [
        {"type": name, **{argument: given[argument] for argument in entry.required}}
        for name, entry in catalogue().items()
    ]
    found = examine(table={"kind": "duckdb", "path": database, "table": "orders"}, expectations=suite)
    unknown = {finding.type: finding.text for finding in judged(found) if finding.met is None}
    assert all(unknown.values())
    # Ids are numbers and no texts, and two types want a bound: that is what these rightly say.
    right = ("must be of type string", "must be str", "cannot both be None")
    assert {name: why for name, why in unknown.items() if not any(word in why for word in right)} == {}
    assert len(unknown) == 5


def test_the_catalogue_is_that_of_the_installed_library(examine: Examine) -> None:
    found = examine(validator="tests.quality.validators:Catalogue")
    assert found.problem == ""
    assert [finding.name for finding in found.findings] == []
    assert found.metrics["types"] == len(catalogue())


def test_an_expectation_of_ones_own(examine: Examine, database: Path) -> None:
    suite = [
        {"type": "tests.quality.own_expectations:ExpectPercent", "column": "id"},
        {"type": "tests.quality.own_expectations:ExpectPercent", "column": "id", "max_value": ROWS},
        {"type": "tests.quality.nowhere:ExpectPercent", "column": "id"},
    ]
    found = examine(table={"kind": "duckdb", "path": database, "table": "orders"}, expectations=suite)
    assert [finding.met for finding in judged(found)] == [False, True, None]
    assert "899 of 1,000 values fail" in judged(found)[0].text
    assert "No module named" in judged(found)[2].text


def test_without_the_library_what_needs_none_is_judged(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("great_expectations")

    monkeypatch.setattr("monitoring_pipeline.quality.gx.warm_up", missing)
    given = [column("values_to_be_unique", "id"), column("values_to_be_of_type", "id", type_="int"), rows("SELECT 1")]
    suite = SuiteSpec.model_validate(
        {"source": "s", "table": {"kind": "duckdb", "path": database, "table": "orders"}, "expectations": given}
    )
    found = examine_here(Order(suite, NOW))
    assert [finding.met for finding in judged(found)] == [None, True, False]
    assert "pip install 'monitoring-pipeline[analysis]'" in judged(found)[0].text
    assert found.profile is not None

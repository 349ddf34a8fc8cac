"""`busta quality`: runs suites, shows what they found, and says so when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Busta, document
from tests.cli.test_root import NEVER, loaded

SUITES = """\
suites:
  orders:
    source: exports
    table: {kind: file, path: orders.csv}
    masked: [email]
    min_rows: 2
  nightly:
    source: nightly
    validator: "tests.quality.validators:Nightly"
    masked: [email]
"""


@pytest.fixture
def suites(config: Path) -> Path:
    config.write_text(config.read_text() + SUITES)
    (config.parent / "orders.csv").write_text("order,email\n1,ann@example.com\n2,ben@example.com\n3,\n")
    return config


def test_without_suites_it_says_how_to_get_one(run: Busta) -> None:
    for command in ("run", "show"):
        done = run("quality", command)
        assert (done.exit_code, done.stdout) == (0, "")
        assert "docs/quality.md" in done.stderr
    assert document(run("quality", "show", "--json"))["sources"] == []


@pytest.mark.usefixtures("suites")
def test_suites_run_and_are_shown(run: Busta) -> None:
    done = run("quality", "run")
    assert done.exit_code == 2, done.output
    assert "healthy  orders  -  3 rows, 1 of 1 met" in done.stdout
    assert "late: 12 rows of nightly are late" in done.stdout
    shown = run("quality", "show")
    assert shown.exit_code == 2
    assert "completeness 99, timeliness 90" in shown.stdout
    one = run("quality", "show", "nightly")
    assert "rows that fail: late" in one.stdout
    assert "***" in one.stdout
    assert "example.com" not in done.output + shown.output + one.output
    assert run("quality", "show", "orders").exit_code == 0
    assert "email" in run("quality", "show", "exports").stdout


def test_names_are_no_markup_and_scores_of_a_part_are_marked(suites: Path, run: Busta) -> None:
    expectation = """    expectations:
      - {type: expect_table_column_count_to_equal, value: 3}
      - {type: expect_column_values_to_be_unique, column: nothing}
"""
    suites.write_text(suites.read_text().replace("  nightly:\n", expectation + "  nightly:\n", 1))
    (suites.parent / "orders.csv").write_text("[/],[bold]\n1,2\n2,3\n")
    assert "orders  0 (incomplete)" in run("quality", "run", "orders").stdout
    assert "[bold]" in run("quality", "show", "orders").stdout


@pytest.mark.usefixtures("suites")
def test_a_narrow_terminal_loses_no_column_that_matters(run: Busta, monkeypatch: pytest.MonkeyPatch) -> None:
    run("quality", "run")
    monkeypatch.setenv("COLUMNS", "80")
    heads = run("quality", "show").stdout.split("─")[0].split()
    assert heads == ["source", "suite", "status", "score", "rows", "last", "run", "why"]
    assert "✖ critical" in run("quality", "show").stdout


@pytest.mark.usefixtures("suites")
def test_documents(run: Busta) -> None:
    before = document(run("quality", "show", "orders", "--json"))
    assert before["sources"][0]["suites"][0]["run"] is None
    (ran,) = document_of_run(run, "orders")
    assert (ran["status"], ran["score"], ran["rows"]) == ("healthy", None, 3)
    (shown,) = document(run("quality", "show", "exports", "--json"))["sources"]
    assert shown["suites"][0]["run"] == ran
    assert [column["name"] for column in ran["profile"]["columns"]] == ["order", "email"]
    assert ran["profile"]["columns"][1]["minimum"] is None


def document_of_run(run: Busta, *names: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = document(run("quality", "run", *names, "--json"))["runs"]
    return found


@pytest.mark.usefixtures("suites")
def test_only_what_is_due(run: Busta) -> None:
    assert len(document_of_run(run, "--due")) == 2
    done = run("quality", "run", "--due")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No suite is due." in done.stderr


@pytest.mark.usefixtures("suites")
def test_a_name_that_is_none(run: Busta) -> None:
    done = run("quality", "run", "ordres")
    assert done.exit_code == 64
    assert "did you mean 'orders'?" in done.stderr
    assert "there is no source or suite 'ordres'" in run("quality", "show", "ordres").stderr


def test_what_judges_stays_in_a_process_of_its_own(suites: Path) -> None:
    ends, _ = loaded("quality run", "quality show", before=("--config", str(suites)))
    for code, modules in ends:
        assert code in (1, 2)
        assert not modules.intersection(NEVER)


def advice(run: Busta) -> list[tuple[str, str]]:
    """What the doctor says about suites: verdict and message."""
    found = document(run("doctor", "--json"))["findings"]
    return [(each["verdict"], each["message"]) for each in found if each["about"].startswith("suite")]


def test_the_doctor_looks_at_suites(run: Busta, suites: Path) -> None:
    run("sources", "check", "exports")
    assert advice(run) == [("warning", "have not run yet: orders, nightly")]
    run("quality", "run")
    assert advice(run) == [("ok", "2 run as they should")]
    (suites.parent / "orders.csv").unlink()
    run("quality", "run", "orders")
    assert advice(run)[0] == (
        "warning", f"could not be judged at its last run: there is no file {suites.parent}/orders.csv",
    )  # fmt: skip

"""`busta report`, in every format, with and without anything to tell."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.conftest import Busta, document


def test_a_report_is_written_in_the_format_of_its_ending(run: Busta, config: Path) -> None:
    run("sources", "check", "exports", "refused")
    today = document(run("report", "--period", "day", "--json"))["period"]["end"][:10]
    page = config.with_name("day.html")
    done = run("report", "--period", "day", "--date", today, "--out", str(page))
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "day.html: shop: " in done.stderr.replace("\n", "")
    assert page.read_text().startswith("<!doctype html>")
    assert "data:image/png;base64," in page.read_text()
    text = run("report", "--period", "day", "--date", today, "--component", "data").stdout
    assert text.startswith("# data: ")
    assert "| refused | 0 % |" in text
    lines = list(csv.reader(run("report", "--date", today, "--format", "csv").stdout.splitlines()))
    assert lines[0][0] == "report"
    assert document(run("report", "--date", today, "--source", "exports", "--json"))["scope"] == "source"


def test_without_history_it_says_so(run: Busta) -> None:
    text = run("report", "--period", "month").stdout
    assert "No check was executed in this time, so nothing is known." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "slw"], "did you mean 'slow'?"),
        (["--component", "nope"], "nope"),
        (["--source", "slow", "--component", "data"], "exclude each other"),
        (["--date", "yesterday"], "yesterday"),
        (["--send", "weekly"], "weekly"),
        (["--out", "week.docx"], "the ending of week.docx tells no format"),
        (["--date", "9999-12-31"], "9999-12-31 has not come yet"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Busta, arguments: list[str], message: str) -> None:
    done = run("report", *arguments)
    assert done.exit_code != 0
    assert message in done.stderr

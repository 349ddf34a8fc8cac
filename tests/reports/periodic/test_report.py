"""A report says what history says, and says plainly what nobody knows."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.reports.periodic import Report, run
from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.flat import CSV_COLUMNS, as_document, to_csv, to_json
from monitoring_pipeline.reports.periodic.html import to_html
from monitoring_pipeline.reports.periodic.markdown import to_markdown
from monitoring_pipeline.reports.periodic.wording import shown
from monitoring_pipeline.store import queries
from tests.reports.periodic.conftest import NOW
from tests.store.rows import write


@pytest.fixture(scope="module")
def weekly(lived: Monitoring) -> Report:
    return lived.reporting.make(lived.reporting.period("week"))


def facts(section: Section) -> dict[str, object]:
    return {fact.name: fact.value for fact in section.facts}


def rows(section: Section, table: int = 0) -> dict[str, dict[str, object]]:
    found = section.tables[table]
    return {row[0]: {c.name: v for c, v in zip(found.columns, row, strict=True)} for row in found.rows}


def test_availability_is_that_of_the_rows_with_unknown_time_apart(lived: Monitoring, weekly: Report):
    section = weekly.sections["availability"]
    found = rows(section)
    with lived.history(tables=("results", "gaps")) as history:
        (bad,) = queries.uptime(history, "bad", weekly.period.start, weekly.period.end)
    assert found["bad"]["available"] == pytest.approx(bad["availability"])
    assert found["bad"]["critical"] == 7 * 4
    assert (found["Good <one>"]["available"], found["bad"]["before"]) == (100, 100)
    assert found["dark"]["available"] is None
    assert found["dark"]["unknown"] == (weekly.period.end - weekly.period.start).total_seconds()
    assert next(iter(found)) == "dark"
    assert facts(section)["unknown time"] == pytest.approx(100 / 3)
    assert "1 of 3 sources: bad" in section.text


def test_the_other_sections_tell_what_there_is(weekly: Report):
    assert list(weekly.sections) == list(run.SECTIONS)
    response = weekly.sections["response"]
    assert "bad / web (3.0 times)" in response.text
    assert rows(response)["bad / web"]["p50"] == pytest.approx(300, rel=0.03)
    assert rows(response)["bad / web"]["answers"] == 334
    promises = rows(weekly.sections["promises"])
    assert (promises["there"]["kept"], promises["there"]["in"]) == ("no", "2026-W13")
    assert promises["there"]["attained"] == pytest.approx(100 * (1 - 14 / 167))
    assert facts(weekly.sections["promises"])["failures"] == 7
    assert facts(weekly.sections["promises"])["time to recover (MTTR)"] == 7200
    assert weekly.sections["quality"].absent
    assert weekly.sections["collection"].absent
    assert facts(weekly.sections["alerts"])["alerts"] == 0
    assert facts(weekly.sections["watching"])["slots without a result"] == 768
    assert {name for name, each in weekly.sections.items() if each.pictures} == {"availability", "response"}
    assert all(each.png.startswith(b"\x89PNG") for s in weekly.sections.values() for each in s.pictures)


def test_a_source_and_a_component_have_reports_of_their_own(lived: Monitoring):
    day = lived.reporting.period("day", NOW.date())
    source = lived.reporting.make(day, source="good")
    assert source.title == "Good <one>: Tuesday, 31 March 2026"
    assert not source.is_complete
    assert "so far" in to_markdown(source)
    assert list(rows(source.sections["availability"])) == ["Good <one>"]
    assert "Nothing was promised" in source.sections["promises"].text
    data = lived.reporting.make(lived.reporting.period("month", NOW.date()), component="data")
    assert set(rows(data.sections["availability"])) == {"bad", "dark"}
    assert data.sections["response"].tables[0].rows[0][0] == "bad / web"
    with pytest.raises(NotFound, match="did you mean 'good'"):
        lived.reporting.make(day, source="goood")
    with pytest.raises(NotFound):
        lived.reporting.make(day, component="nope")


def test_before_anything_happened_every_section_says_so(lived: Monitoring):
    early = lived.reporting.make(lived.reporting.period("month", NOW.date().replace(year=2020)))
    for name in ("availability", "response", "quality", "events", "collection", "watching"):
        assert early.sections[name].absent, name
    assert to_html(early).count("<h2") == len(run.SECTIONS)


def test_time_before_the_first_result_is_unknown(lived: Monitoring):
    month = lived.reporting.make(lived.reporting.period("month", NOW.date()), source="good")
    span = (NOW - month.period.start).total_seconds()
    assert rows(month.sections["availability"])["Good <one>"]["unknown"] == pytest.approx(span - 16 * 86400)
    assert facts(month.sections["availability"])["unknown time"] == pytest.approx(100 * (1 - 16 * 86400 / span))


def test_collectors_are_told_apart_by_source_and_rows_nobody_told_are_not_0(lived: Monitoring):
    day, before = NOW.replace(year=2018), NOW.replace(year=2018) - timedelta(days=1)
    attempts = [("good", 1, day), ("bad", 0, day), ("good", 0, before), ("bad", 1, before)]
    write(lived.store, "collections", [
        {"key": f"k-{number}", "collector": "loader", "source": source, "success": success, "kind": "",
         "at": to_us(at), "received": to_us(at), "rows": None, "bytes": None, "duration_ms": None, "quality": None,
         "error": "", "tags": "{}"}
        for number, (source, success, at) in enumerate(attempts)
    ])  # fmt: skip
    section = lived.reporting.make(lived.reporting.period("day", day.date())).sections["collection"]
    assert section.text == "1 of 1 collectors had failures."
    assert [row[1:4] for row in section.tables[0].rows] == [["bad", 0.0, 100.0], ["good", 100.0, 0.0]]
    assert facts(section)["rows"] is None


@pytest.mark.parametrize("daily", [True, False])
def test_promises_stand_as_they_did_at_the_end_of_the_period(lived: Monitoring, *, daily: bool):
    wednesday = NOW.replace(day=25, hour=0)
    (there,) = lived.sla.standings(at=wednesday, until=wednesday, objectives=["there"], sources=["bad"], daily=daily)
    assert there.until == wednesday
    assert there.account.attained == pytest.approx(1 - 4 / 49)


def test_what_nobody_knows_is_not_said_to_be_well(lived: Monitoring):
    dark = lived.reporting.make(lived.reporting.period("week"), source="dark")
    assert dark.sections["availability"].text == "Nothing is known: no check could find out how things were."
    long_ago = NOW.replace(year=2019)
    run = {
        "suite": "rows", "started": to_us(long_ago), "at": to_us(long_ago), "status": "unknown", "score": None,
        "rows": None, "expectations": 1, "failed": 0, "errors": 1, "message": "", "dimensions": "{}", "profile": "{}",
        "findings": "[]",
    }  # fmt: skip
    said = []
    for source, score in (("dark", None), ("good", 99.0), ("bad", 80.0)):
        write(lived.store, "quality_runs", [{**run, "source": source, "score": score}])
        said.append(lived.reporting.make(lived.reporting.period("day", long_ago.date())).sections["quality"].text)
    assert said == [
        "Nothing is known: no suite could be carried out.", "Every suite scored 95 or more; of 1 nothing is known.",
        "1 of 3 suites scored below 95 on average; of 1 nothing is known.",
    ]  # fmt: skip


def test_the_outlook_is_what_was_computed_last_before_the_end(lived: Monitoring):
    from monitoring_pipeline.store.outlook import results
    from monitoring_pipeline.store.warehouse import open_warehouse

    series = {"check_id": "web", "metric": "used_percent", "unit": "%", "tags": "{}"}
    reach = {
        **series, "limit_value": 90.0, "above": True, "why": "full", "state": "reaches", "now": 71.0,
        "horizon_h": 2160.0, "earliest_h": 48.0, "likely_h": 72.0, "latest_h": 96.0, "chance": 0.9, "per_day": 6.0,
        "resets": 0,
    }  # fmt: skip
    with open_warehouse(lived.config.stores.warehouse, NOW) as warehouse:
        for days, source in ((1, "bad"), (2, "good")):
            results.put(warehouse, NOW - timedelta(days=days), {"capacity": [{"source": source, **reach}]})
    lived.publish_history()
    section = lived.reporting.make(lived.reporting.period("day")).sections["outlook"]
    assert section.text == "The first limit that comes closer is that of bad / used_percent."
    assert section.tables[0].rows == [["bad / used_percent", 90.0, 71.0, 172800.0, 259200.0, 90.0]]
    assert lived.reporting.make(lived.reporting.period("day"), source="good").sections["outlook"].absent


def test_one_broken_section_costs_no_other(
    lived: Monitoring, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):  # fmt: skip
    def broken(material: object) -> Section:
        password = f"hunter{1 + 1}"
        raise ValueError("no such column" if password else "")

    monkeypatch.setattr(run.SECTIONS["alerts"], "section", broken)
    report = lived.reporting.make(lived.reporting.period("day"))
    assert "ValueError: no such column" in report.sections["alerts"].absent
    assert report.sections["availability"].tables
    said = capsys.readouterr().out
    assert "ValueError: no such column" in said
    assert "hunter2" not in said  # the values of a traceback's variables are nobody's business


class Page(HTMLParser):
    """Collects what a page shows and what it would fetch, and sees that tags end in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_escaped_and_fetches_nothing(weekly: Report):
    html = to_html(weekly)
    page = Page(html)
    assert not page.open
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert len(page.addresses) == 2
    assert "<one>" not in html
    assert "Good <one>" in "".join(page.text)
    assert "Shop & Co: 23 to 29 March 2026 (week 13)" in "".join(page.text)


def test_markdown_has_tables_whose_rows_are_as_wide_as_their_heads(weekly: Report):
    text = to_markdown(weekly)
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) >= 4
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "Good \\<one\\>" in text


def test_json_and_csv_have_the_same_figures(weekly: Report):
    document = json.loads(to_json(weekly))
    assert document == as_document(weekly)
    assert document["period"]["start"] == "2026-03-22T23:00:00Z"
    lines = list(csv.DictReader(io.StringIO(to_csv(weekly))))
    assert tuple(lines[0]) == CSV_COLUMNS
    available = {line["row"]: line["value"] for line in lines if line["figure"] == "available"}
    assert float(available["bad"]) == rows(weekly.sections["availability"])["bad"]["available"]
    assert available["dark"] == ""


def test_a_spreadsheet_runs_nothing_of_a_csv(weekly: Report):
    evil = Section("Evil", facts=[Fact("=1+1", 1)], tables=[Table("", [Column("a"), Column("b")], [["@x", -1.5]])])
    text = to_csv(replace(weekly, sections={"evil": evil}))
    assert "'=1+1" in text
    assert "'@x" in text
    assert ",-1.5" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (99.9996, "percent", "99.9996 %"), (99.99999999, "percent", "99.99999999 %"), (100, "percent", "100 %"),
        (0.0, "percent", "0 %"), (0.0004, "percent", "0.0004 %"), (98.123, "percent", "98.12 %"),
        (None, "percent", "-"), (0.5, "seconds", "< 1 s"), (90061, "seconds", "1 d 1 h"), (7200, "seconds", "2 h"),
        (42.123, "ms", "42.1 ms"), (2500, "ms", "2.5 s"), (12345, "number", "12,345"), (1.5, "number", "1.5"),
        (NOW, "moment", "Tue 31 Mar 10:00"), ("two\nlines", "text", "two lines"),
    ],
)  # fmt: skip
def test_values_are_never_rounded_to_all_or_nothing(value, unit, text):
    assert shown(value, unit, "Europe/Berlin") == text

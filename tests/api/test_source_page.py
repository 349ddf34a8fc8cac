"""Quality, anomalies and promises on the status page, and the page of one source."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.api.keeping import Kept
from monitoring_pipeline.quality import Dimension, Finding, Measurement
from monitoring_pipeline.records import Event, Severity, Status
from monitoring_pipeline.reports.facets import Board
from monitoring_pipeline.store.events import insert_events
from tests.api.conftest import SOURCES, Client, Installation, install, serving, wait_until
from tests.store import rows

NASTY = "<script>alert(1)</script>"
SUITES = {"daily": {"source": "orders-db", "validator": "acme:Daily", "masked": ["email"]}}
OBJECTIVES = {
    "uptime": {"source": "orders-*", "target": "99%", "window": "10d"},
    "web": {"component": "web", "kind": "success_rate", "target": "90%", "window": "10d", "per": "component"},
}
SENTENCE = "response_time_ms: 812 ms, expected 210-340 ms for Tue 14h"


def shop(directory: Path) -> Installation:
    """orders-db was down for four hours, and rows of it fail; orders-api answers strangely slowly."""
    found = install(directory, SOURCES, name="shop", suites=SUITES, objectives=OBJECTIVES)
    found.serve()
    for source in ("orders-api", "orders-db", "nightly-export"):
        found.found(source, Status.HEALTHY)
    ago = [found.now - timedelta(days=days) for days in (12, 4)] + [found.now - timedelta(days=4, hours=-4)]
    rows.write(found.monitoring.store, "status_changes", [
        rows.change("orders-api", ago[0], "unknown", "healthy"),
        rows.change("orders-db", ago[0], "unknown", "healthy"),
        rows.change("orders-db", ago[1], "healthy", "critical"),
        rows.change("orders-db", ago[2], "critical", "healthy"),
    ])  # fmt: skip
    rows.write(found.monitoring.store, "samples", [
        rows.sample("orders-api", found.now - timedelta(minutes=minute), 250.0 + 60 * (minute % 3)) | {
            "metric": "response_time_ms", "check_id": "http",
        } for minute in range(60)
    ])  # fmt: skip
    findings = [
        Finding("emails", "reported", "one is wrong", met=False, share=0.5, severity=Severity.WARNING,
                rows=({"id": 7, "email": "ann@example.com", "note": NASTY},)),
        Finding("totals", "reported", "no such column", met=None, dimension=Dimension.CONSISTENCY),
        Finding("ids", "reported", "all differ", met=True, dimension=Dimension.UNIQUENESS),
    ]  # fmt: skip
    for score in (90, 80):
        found.monitoring.quality.push("orders-db", Measurement({"completeness": score}, findings, rows=2), "soda")
    detail: dict[str, Any] = {"value": 812.0, "score": 2.5, "low": 210.0, "high": 340.0, "unit": "ms"}
    began = found.now - timedelta(minutes=10)
    event = Event("orders-api", "anomaly", "response_time_ms", began, SENTENCE, Severity.WARNING, "http", detail=detail)
    with found.monitoring.store.write() as connection:
        insert_events(connection, [event])
    return found


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    installation = shop(tmp_path_factory.mktemp("shop"))
    with serving(installation.monitoring) as found:
        # What was not read yet says so, and follows within a moment.
        wait_until(lambda: "not read yet" not in found("/status/fragment").text)
        yield found


def row_of(html: str, source: str) -> str:
    return html[html.index(f'id="source-{source}"') :].partition("</details>")[0]


def test_a_row_tells_quality_budget_and_what_is_strange(client: Client) -> None:
    html = client("/").text
    database, api, export = (row_of(html, name) for name in ("orders-db", "orders-api", "nightly-export"))
    assert (
        "<strong>76</strong> <small>incomplete</small> 1 of 3 expectations not met, 1 could not be judged" in database
    )
    assert "sources/orders-db#quality" in database
    assert "budget overspent by 66.7 %" in database
    assert "<strong>98.333 %</strong> of 99 %" in database
    assert SENTENCE in api
    assert "score 2.5" in api
    for empty in (
        "No suite looks at its data.",
        "Nothing is out of the ordinary, in what has been learnt so far.",
        "Nothing was promised for it.",
    ):
        assert empty in export


def test_a_component_sums_up_what_its_sources_tell(client: Client) -> None:
    html = client("/").text
    web, data = (html[html.index(f'id="component-{name}"') :].partition("</header>")[0] for name in ("web", "data"))
    assert "1 strange" in web
    assert "2 promises" in web
    assert "1 of 1 promises missed" in data
    assert "quality 76" in data


def test_where_checks_are_well_the_banners_say_what_else_is_not(client: Client) -> None:
    told = "Every check found what it expects, but the data of 1 source are not as expected, and 1 promise is missed"
    assert told in client("/").text
    assert "healthy by its checks; the quality of its data is warning" in client("/sources/orders-db").text
    assert "<p>healthy</p>" in client("/sources/nightly-export").text


def test_the_page_of_a_source_shows_rows_that_fail_and_never_masked_columns(client: Client) -> None:
    html = client("/sources/orders-db").text
    assert "1 row that fails" in html
    assert "***" in html
    assert "ann@example.com" not in html
    assert NASTY not in html
    assert "&lt;script&gt;alert(1)" in html
    assert html.index("emails") < html.index("totals") < html.index("all differ")
    assert "busta quality run daily" in html
    assert "the budget of the last 10d is used up" in html
    assert client("/sources/nobody").status == 404


def test_a_source_of_which_nothing_more_is_known_says_so(client: Client) -> None:
    html = client("/sources/nightly-export").text
    for empty in (
        "No suite looks at its data",
        "Nothing was out of the ordinary, in what",
        "Nothing was promised for it.",
    ):
        assert empty in html


@pytest.mark.parametrize("picture", ["orders-db/budgets.png", "orders-db/quality.png?suite=soda",
                                     "orders-api/strange.png?metric=response_time_ms"])  # fmt: skip
def test_pictures_are_drawn_on_demand(client: Client, picture: str) -> None:
    answer = client(f"/sources/{picture}")
    assert (answer.status, answer.headers["content-type"], answer.body[:4]) == (200, "image/png", b"\x89PNG")


@pytest.mark.parametrize("picture", ["nightly-export/budgets.png", "orders-db/quality.png?suite=none",
                                     "nobody/budgets.png", "orders-api/strange.png?metric=none"])  # fmt: skip
def test_there_is_no_picture_of_nothing(client: Client, picture: str) -> None:
    assert client(f"/sources/{picture}").status == 404


def test_without_suites_and_promises_rows_have_no_columns_for_them(installation: Installation) -> None:
    with serving(installation.monitoring) as client:
        wait_until(lambda: "not read yet" not in client("/status/fragment").text)
        html = client("/").text
    assert "<span>Budget</span>" not in html
    assert "facet" not in html.replace('class="facets"', "")


def test_whoever_draws_waits_for_nothing_and_what_cannot_be_read_is_not_shown_for_ever(installation) -> None:
    answers: list[Board | Exception] = [Board(installation.now), *[OSError("gone")] * 1000]

    asked, may = threading.Event(), threading.Event()

    def read() -> Board:
        asked.set()
        may.wait(30)
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    kept = Kept(read, every_s=0.01)
    try:
        assert kept.current() is None
        assert asked.wait(30)
        assert kept.current() is None
        may.set()
        wait_until(lambda: kept.current() is not None)
        wait_until(lambda: kept.current() is None)
        assert len(answers) < 1000
    finally:
        kept.close()

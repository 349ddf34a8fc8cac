"""The status page in a real browser: it updates itself and leaves the reader's hands alone."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator

import pytest

from monitoring_pipeline.quality import Finding, Measurement
from monitoring_pipeline.records import Status
from tests.api.conftest import SOURCES, Installation, install, process, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium on this machine", allow_module_level=True)
expect = pytest.importorskip("playwright.sync_api").expect
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield found
        found.close()


@pytest.fixture
def page(browser) -> Iterator:
    """A page that fails its test when anything is written to the console or refused by the policy."""
    context = browser.new_context(viewport={"width": 1100, "height": 500})
    found = context.new_page()
    found.set_default_timeout(WAIT_MS)
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text))
    found.on("pageerror", lambda error: complaints.append(str(error)))
    yield found
    context.close()
    assert [text for text in complaints if "ERR_CONNECTION" not in text and "503" not in text] == []


def healthy(installation: Installation) -> Installation:
    installation.serve()
    for source in ("orders-api", "orders-db", "nightly-export"):
        installation.found(source, Status.HEALTHY)
    return installation


def test_it_updates_itself_and_keeps_what_is_open_typed_and_scrolled(installation, page):
    with serving(healthy(installation).monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        page.locator("#source-orders-db summary").click()
        page.locator("#filter").fill("orders")
        expect(page.locator("#source-nightly-export")).to_be_hidden()
        page.evaluate("scrollTo(0, 120)")
        installation.found("orders-db", Status.CRITICAL, "connection refused")
        row = page.locator("#source-orders-db")
        expect(row).to_have_class(re.compile("is-critical"), timeout=WAIT_MS)
        expect(row.locator(".message")).to_contain_text("connection refused")
        assert row.get_attribute("open") is not None
        assert page.locator("#filter").input_value() == "orders"
        expect(page.locator("#source-nightly-export")).to_be_hidden()
        assert page.evaluate("scrollY") == 120
        expect(page.locator("#banner h2")).to_have_text("1 source is critical")
        assert page.title().startswith("1 source is critical")
        page.locator("#filter").fill("")
        expect(page.locator("#wrong")).to_contain_text("connection refused")
        installation.found("orders-db", Status.HEALTHY)
        expect(page.locator("#banner h2")).to_have_text("All 3 sources are healthy", timeout=WAIT_MS)
        expect(page.locator("#wrong")).to_have_count(0)


def test_rows_move_as_they_get_worse_and_stay_open(installation, page):
    with serving(healthy(installation).monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        page.locator("#source-nightly-export summary").click()
        installation.found("orders-db", Status.WARNING, "slow")
        first = page.locator("#component-data .source").first
        expect(first).to_have_id("source-orders-db", timeout=WAIT_MS)
        assert page.locator("#source-nightly-export").get_attribute("open") is not None


def test_counts_filter_by_status(installation, page):
    healthy(installation).found("orders-db", Status.CRITICAL, "down")
    with serving(installation.monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        button = page.locator('[data-filter="critical"]')
        button.click()
        expect(page.locator(".source:visible")).to_have_count(1)
        assert button.get_attribute("aria-pressed") == "true"
        page.locator("#filter").fill("nothing like it")
        expect(page.locator("#no-match")).to_be_visible()
        page.locator("#filter").fill("")
        button.click()
        expect(page.locator(".source:visible")).to_have_count(3)


def test_it_says_when_the_connection_is_lost(installation, page):
    healthy(installation)
    with process(installation.path) as (started, client):
        page.goto(f"http://127.0.0.1:{client.port}/")
        expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
        started.kill()
        expect(page.locator("#lost")).to_be_visible(timeout=WAIT_MS)
        text = page.locator("#lost").inner_text()
    assert re.fullmatch(r"Connection lost, last update \d\d:\d\d:\d\d", text)


def test_it_says_when_monitoring_stops(installation, page):
    healthy(installation).serve(ago_s=600)
    with serving(installation.monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        expect(page.locator("#banner")).to_contain_text("Monitoring is not running")
        expect(page.locator("#banner time")).to_have_text("10 min ago")


def test_details_of_many_sources_come_when_opened(tmp_path, page):
    sources = [{**SOURCES[1], "id": f"source-{number:03d}"} for number in range(220)]
    large = install(tmp_path, sources)
    large.serve()
    large.found_all([(source["id"], Status.HEALTHY, "", 5.0) for source in sources])
    with serving(large.monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        page.locator("#source-source-150 summary").click()
        expect(page.locator("#source-source-150 .message")).to_have_text("as expected")


def test_quality_appears_in_the_open_page_with_its_column(installation, page):
    with serving(healthy(installation).monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        page.locator("#source-orders-db summary").click()
        row = page.locator("#source-orders-db")
        expect(row).to_contain_text("No suite looks at its data.", timeout=WAIT_MS)
        expect(page.locator("#component-data .labels")).not_to_contain_text("Quality")
        finding = Finding("emails", "reported", "one is wrong", met=False, share=0.5, rows=({"email": "ann"},))
        installation.monitoring.quality.push("orders-db", Measurement(findings=[finding]))
        expect(page.locator("#component-data .labels")).to_contain_text("Quality", timeout=WAIT_MS)
        assert row.get_attribute("open") is not None
        row.get_by_text("Rows that fail").click()
        expect(page.locator("#quality")).to_contain_text("1 row that fails")
        expect(page.locator("#quality .rows-shown td")).to_have_text("ann")


def test_a_hidden_page_asks_nothing(installation, page):
    asked = threading.Event()
    with serving(healthy(installation).monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {get: () => window.away ?? true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.on("request", lambda request: asked.set())
        page.wait_for_timeout(6000)
        assert not asked.is_set()
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_event("requestfinished")
        assert asked.is_set()


def test_nothing_sticks_out_on_a_phone(installation, page):
    healthy(installation).found("orders-api", Status.CRITICAL, "a_very_long_word_without_a_place_to_break_" * 9)
    page.set_viewport_size({"width": 360, "height": 740})
    with serving(installation.monitoring) as client:
        page.goto(f"http://127.0.0.1:{client.port}/")
        for row in page.locator(".source summary").all():
            row.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360

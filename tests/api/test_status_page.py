"""The status page as a browser gets it."""

from __future__ import annotations

import gzip
from html.parser import HTMLParser

import pytest

from monitoring_pipeline.records import Status
from tests.api.conftest import SOURCES, Client, Installation, install, serving, wait_until

NASTY = "<script>alert(1)</script>\"' onload=alert(1) {{7*7}} @version@ </details>"


class Tags(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def client(installation):
    with serving(installation.monitoring) as found:
        yield found


def test_what_is_wrong_comes_first_with_its_reason(installation: Installation):
    installation.serve()
    installation.found("orders-api", Status.CRITICAL, "response_time_ms (812) < 300", 812)
    installation.found("orders-db", Status.HEALTHY)
    installation.found("nightly-export", Status.WARNING, "late")
    with serving(installation.monitoring) as client:
        html = client("/").text
    assert "1 source is critical" in html
    assert html.index("What is wrong now") < html.index("response_time_ms (812) &lt; 300")
    assert html.index('id="component-web"') < html.index('id="component-data"')
    assert html.index('id="source-nightly-export"') < html.index('id="source-orders-db"')
    assert "Orders API" in html
    assert "812 ms" in html


def test_all_well(installation: Installation):
    installation.serve()
    for source in ("orders-api", "orders-db", "nightly-export"):
        installation.found(source, Status.HEALTHY)
    with serving(installation.monitoring) as client:
        html = client("/").text
    assert "All 3 sources are healthy" in html
    assert "What is wrong now" not in html


def test_before_the_first_result(client: Client):
    html = client("/").text
    assert "Nothing has been checked yet" in html
    assert "busta up" in html
    assert "What is wrong now" not in html


def test_without_sources(tmp_path):
    empty = install(tmp_path, [])
    with serving(empty.monitoring) as client:
        html = client("/").text
    assert "Nothing is watched yet" in html


def test_monitoring_that_stopped_is_loud(installation: Installation):
    installation.found("orders-api", Status.HEALTHY)
    installation.serve(ago_s=600)
    with serving(installation.monitoring) as client:
        html = client("/").text
    assert "Monitoring is not running" in html
    assert "last sign of life" in html


def test_the_reference_tells_every_route(client: Client):
    html = client("/docs").text
    assert "<code>/health/sources/{source}</code>" in html
    assert "<code>busta sources show</code>" in html


def test_hostile_names_and_messages_stay_text(tmp_path):
    source = {**SOURCES[0], "name": NASTY, "owner": NASTY, "description": NASTY, "tags": [NASTY], "depends_on": []}
    hostile = install(tmp_path, [source], name=NASTY, components={"web": {"description": NASTY, "owner": NASTY}})
    hostile.serve()
    hostile.found("orders-api", Status.CRITICAL, NASTY)
    with serving(hostile.monitoring) as client:
        for url in ("/", "/status/fragment", "/status/sources/orders-api", "/docs"):
            html = client(url).text
            tags = Tags(html).found
            scripts = [attributes for tag, attributes in tags if tag == "script"]
            assert all(set(attributes) == {"src", "defer"} for attributes in scripts), url
            assert not [a for _, attributes in tags for a in attributes if a.startswith("on") or a == "style"], url
            assert "&lt;script&gt;alert(1)" in html, url
            assert html.count("</details>") == sum(tag == "details" for tag, _ in tags), url
            assert "{{7*7}}" in html, url


def test_an_etag_saves_what_did_not_change(installation: Installation):
    installation.serve()
    installation.found("orders-api", Status.HEALTHY)
    with serving(installation.monitoring) as client:
        first = client("/status/fragment")
        etag = {"If-None-Match": first.headers["etag"]}
        again = client("/status/fragment", headers=etag)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        installation.found("orders-api", Status.CRITICAL, "down")
        wait_until(lambda: client("/status/fragment", headers=etag).status == 200, 15)
        assert "down" in client("/status/fragment", headers=etag).text


def test_compressed_is_the_same(client: Client):
    packed = client("/status/fragment", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert 'id="live"' in gzip.decompress(packed.body).decode()
    page = client("/", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(page.body).decode().startswith("<!doctype html>")


def test_every_answer_carries_the_security_headers(client: Client):
    for url in ("/", "/health", "/static/status.js", "/nowhere", "/docs", "/push/x"):
        headers = client(url).headers
        assert "default-src 'none'" in headers["content-security-policy"], url
        assert "frame-ancestors 'none'" in headers["content-security-policy"], url
        assert "unsafe" not in headers["content-security-policy"], url
        assert headers["x-content-type-options"] == "nosniff", url
        assert headers["referrer-policy"] == "no-referrer", url


def test_the_page_loads_nothing_from_elsewhere(client: Client):
    for url in ("/", "/docs"):
        for _tag, attributes in Tags(client(url).text).found:
            target = attributes.get("src") or (attributes.get("href") if _tag in ("link", "script") else None)
            if target:
                assert target.startswith("static/"), target
                answer = client(f"/{target}")
                assert answer.status == 200
                assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["../painting.py", "..%2Fpainting.py", "nothing.css", "%2e%2e/__init__.py"])
def test_only_our_files_are_served(client: Client, name):
    assert client(f"/static/{name}").status == 404


def test_what_is_inside_many_healthy_rows_comes_later(tmp_path):
    sources = [{**SOURCES[1], "id": f"source-{number:03d}", "name": f"No {number}"} for number in range(220)]
    large = install(tmp_path, sources)
    large.serve()
    large.found_all([(source["id"], Status.HEALTHY, "", 5.0) for source in sources[1:]])
    large.found("source-000", Status.CRITICAL, "refused")
    with serving(large.monitoring) as client:
        html = client("/").text
        assert html.count("data-later=") == 219
        inside = client("/status/sources/source-007")
        assert inside.status == 200
        assert "as expected" in inside.text
        assert client("/status/sources/nothing").status == 404


def test_a_link_to_dagster_where_there_is_one(tmp_path, client: Client):
    assert "Dagster" not in client("/").text
    linked = install(tmp_path, SOURCES, api={"dagster_url": "http://127.0.0.1:3000/"})
    with serving(linked.monitoring) as other:
        assert '<a href="http://127.0.0.1:3000">Dagster</a>' in other("/").text

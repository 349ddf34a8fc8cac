"""The past in buckets, and reports, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import system_clock
from tests.api.conftest import Client, serving
from tests.store.rows import result, sample, write

CONFIG = """
name: shop
sources:
  - {id: orders, component: web, checks: [{id: web, kind: file, path: monitoring.yaml}]}
  - {id: quiet, component: data, checks: [{id: web, kind: file, path: monitoring.yaml}]}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    path = tmp_path_factory.mktemp("history") / "monitoring.yaml"
    path.write_text(CONFIG)
    monitoring = Monitoring.open(path)
    _fill(monitoring, path)
    with serving(monitoring) as client:
        yield client


def _fill(monitoring: Monitoring, path: Path) -> None:
    now = system_clock()
    moments = [now - timedelta(hours=n) for n in range(1, 60)]
    write(monitoring.store, "results", [result("orders", at) for at in moments])
    write(monitoring.store, "samples", [sample("orders", at, 40.0) for at in moments])
    monitoring.load_history()
    monitoring.roll_up()
    monitoring.publish_history()


def test_the_width_of_buckets_follows_the_span(client: Client):
    day = client("/history/orders?since=24h").json()
    assert day["level"] == "minute"
    month = client("/history/orders?since=30d&metric=response_time_ms").json()
    assert month["level"] == "hour"
    (series,) = month["series"]
    assert (series["check"], len(series["buckets"])) == ("web", 59)
    assert {bucket["p95"] for bucket in series["buckets"]} == {40.0}
    weeks = client("/history/orders?since=30d&level=week").json()
    assert sum(each["healthy"] for each in weeks["executions"]) == 59
    assert client("/history/quiet").json()["series"] == []


def test_a_report_comes_in_every_format(client: Client):
    today = datetime.now(UTC).date()
    found = client(f"/reports?period=month&day={today}").json()
    assert found["scope"] == "system"
    for day, told in (("9999-12-31", "9999-12-31 has not come yet"), ("0001-01-01", "nothing was measured before")):
        refused = client(f"/reports?period=week&day={day}")
        assert (refused.status, told in refused.json()["detail"]) == (422, True)
    assert client("/reports?period=year").json() == {"detail": "period: Input should be 'day', 'week' or 'month'"}
    page = client(f"/reports?period=week&day={today}&format=html&source=orders")
    assert page.body.startswith(b"<!doctype html>")
    assert "attachment" in page.headers["content-disposition"]
    assert client(f"/reports?day={today}&format=csv&component=web").body.startswith(b"report,period,")
    assert client(f"/reports?day={today}&format=markdown").body.startswith(b"# shop: ")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/history/ordrs", 404), ("/history/orders?since=soon", 422), ("/history/orders?since=20y", 422),
        ("/history/orders?level=year", 422), ("/reports?source=ordrs", 404), ("/reports?component=wbe", 404),
        ("/reports?source=orders&component=web", 422), ("/reports?period=year", 422), ("/reports?day=soon", 422),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(client: Client, path: str, status: int):
    assert client(path).status == status

"""Stories of budgets that burn: who hears of it, when it is over, and what a correction does."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring_pipeline.records import Reclassified, Status
from tests.stories.timeline import START, Timeline

SHOP = """
name: shop
alerting: {defaults: true}
defaults: {check: {interval: 1m}}
channels:
  pager: {kind: webhook, url: "{hook}/pager"}
rules:
  - {id: source-critical, mode: "off", when: {kind: status}}
  - {id: source-unknown, mode: "off", when: {kind: status}}
sources:
  - {id: mail, checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
  - {id: web-1, component: web, checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
  - {id: web-2, component: web, checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
objectives:
  uptime: {source: mail, target: 99%}
  shop: {component: web, per: component, target: 99%}
"""


async def minutes(story: Timeline, until: float) -> None:
    """Lets time pass; each minute every source answers as before, and burn rates are reported."""
    for minute in range(round((story.now - START).total_seconds() // 60) + 1, round(until) + 1):
        await story.until(60 * minute)
        for status in Status:
            if same := [source for source, held in HELD.items() if held is status]:
                await story.finds(status, same)
        story.monitoring.sla.report_burn_rates()
        await story.deliver()


async def half_an_hour(story: Timeline) -> None:
    """All is well for so long that the last hour can be judged."""
    await story.finds(Status.HEALTHY, list(HELD))
    await story.until(1800)


HELD: dict[str, Status] = {}


@pytest.fixture(params=["sqlite", "postgresql", "sqlite, restless"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Timeline:
    store, _, restless = request.param.partition(", ")
    url = request.getfixturevalue("postgres_store_url") if store == "postgresql" else f"sqlite:///{tmp_path}/story.db"
    HELD.clear()
    HELD.update(dict.fromkeys(("mail", "web-1", "web-2"), Status.HEALTHY))
    return Timeline(url, tmp_path, SHOP, step_s=300, restless=bool(restless))


async def test_a_budget_that_burns_fast_is_told_once_and_its_end_once(story: Timeline) -> None:
    async with story:
        await half_an_hour(story)
        assert story.heard == []
        HELD["mail"] = Status.CRITICAL
        await minutes(story, 40)
        HELD["mail"] = Status.HEALTHY
        await minutes(story, 47)
        fast = [each for each in story.heard if "burns-fast" in str(each.body)]
        assert [(each.kind, each.sources) for each in fast] == [("firing", ("mail",)), ("resolved", ("mail",))]
        began, ended = (each.at / 60 for each in fast)
        # 14.4 % of what is known of the last hour: six of 36 minutes.
        assert 35 <= began <= 37
        assert 45 <= ended <= 46  # five minutes after the end nothing of the short window is bad
        assert "burn rate of uptime" in fast[0].body["alerts"][0]["text"]


async def test_of_a_shared_budget_those_are_told_that_burn_it(story: Timeline) -> None:
    async with story:
        await half_an_hour(story)
        HELD["web-2"] = Status.CRITICAL
        await minutes(story, 38)
        assert {each.sources for each in story.heard} == {("web-2",)}
        (standing,) = story.monitoring.sla.standings(objectives=["shop"])
        assert standing.account.bad == 7 * 60_000_000
        with story.monitoring.store.write() as connection:
            story.monitoring.sla.correct(
                connection, "web-2", START, story.now, Reclassified.UP, author="eva", reason="it was the probe"
            )
        (standing,) = story.monitoring.sla.standings(objectives=["shop"])
        assert (standing.account.bad, standing.pair.measured.bad) == (0, 7 * 60_000_000)
        story.monitoring.sla.report_burn_rates()
        await story.settle()
        assert story.states()["web-2"] == "resolved"

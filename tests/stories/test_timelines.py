"""Stories of outages: who hears what, and when. Each is told twice, the second time with a process that dies before
everything it does; those that ask most of the store are told on PostgreSQL too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.records import AlertState, Status
from tests.stories.timeline import START, Timeline

SHOP = """
name: shop
defaults: {check: {interval: 1m}}
channels:
  pager: {kind: webhook, url: "{hook}/pager"}
rules:
  - {id: down, when: {kind: status, warning: null}}
sources:
  - {id: db, checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
  - {id: orders, depends_on: [db], checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
  - {id: mail, checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
"""

Telling = Callable[..., Timeline]


@pytest.fixture(params=["sqlite", "sqlite, restless"])
def telling(request: pytest.FixtureRequest, tmp_path: Path) -> Telling:
    """Begins a story with a configuration."""
    store, _, restless = request.param.partition(", ")
    url = request.getfixturevalue("postgres_store_url") if store == "postgresql" else f"sqlite:///{tmp_path}/story.db"

    def begin(config: str = SHOP, **options: float) -> Timeline:
        return Timeline(url, tmp_path, config, restless=bool(restless), **options)

    return begin


on_both_stores = pytest.mark.parametrize("telling", ["sqlite", "postgresql", "sqlite, restless"], indirect=True)


def changed(**replacements: str) -> str:
    """The shop with other rules, channels or more sections."""
    text = SHOP
    for name, section in replacements.items():
        head = f"{name}:\n"
        if head in text:
            begin = text.index(head)
            rest = text[begin + len(head) :].splitlines(keepends=True)
            end = next((n for n, line in enumerate(rest) if line[:1] not in (" ", "\n")), len(rest))
            text = text[:begin] + head + section + "".join(rest[end:])
        else:
            text += head + section
    return text


@on_both_stores
async def test_an_outage_is_told_once_and_its_end_once(telling: Telling) -> None:
    async with telling() as story:
        await story.recovers("mail")
        await (await story.until(60)).fails("mail")
        await (await story.until(120)).fails("mail")
        await (await story.until(300)).recovers("mail")
        await story.until(900)
        assert story.said() == [(60, "firing", ("mail",)), (300, "resolved", ("mail",))]
        assert "refused" in story.heard[0].body["alerts"][0]["text"]


async def test_a_long_outage_is_reminded_of(telling: Telling) -> None:
    config = changed(alerting='  routes: [{notify: ["channel:pager"], repeat_interval: 10m}]\n')
    async with telling(config, step_s=20) as story:
        await story.fails("mail")
        await story.until(1_500)
        assert [(at, kind) for at, kind, _ in story.said()] == [(0, "firing"), (600, "reminder"), (1_200, "reminder")]


async def test_what_flaps_is_one_alert(telling: Telling) -> None:
    rule = "  - {id: down, when: {kind: status, warning: null}, flapping: {times: 3, within: 10m, calm: 2m}}\n"
    async with telling(changed(rules=rule)) as story:
        for minute in range(10):
            await (await story.until(60 * minute)).fails("mail")
            await (await story.until(60 * minute + 30)).recovers("mail")
        await story.until(60 * 9 + 30 + 120)
        told = [kind for _, kind, _ in story.said()]
        assert told.count("firing") <= 4
        assert told[-1] == "resolved"
        assert story.said()[-1][0] == pytest.approx(60 * 9 + 30 + 120)
        assert story.alert("mail").flapping
        assert len(story.alerts()) == 3


@on_both_stores
async def test_one_page_when_what_everything_depends_on_is_down(telling: Telling) -> None:
    more = "".join(
        f"  - {{id: api-{n:02d}, depends_on: [db], checks: [{{kind: tcp, host: 127.0.0.1, port: 1}}]}}\n"
        for n in range(30)
    )
    async with telling(SHOP + more) as story:
        children = [f"api-{n:02d}" for n in range(30)]
        await story.fails("db", *children)
        assert story.said() == [(0, "firing", ("db",))]
        affected = story.heard[0].body["alerts"][0]["affects"]
        assert set(affected[:-1]) <= {*children, "orders"}
        assert affected[-1] == f"and {31 - len(affected[:-1])} more"
        assert story.states()["api-07"] is AlertState.SUPPRESSED
        await (await story.until(60)).recovers("db", *children[1:])
        await story.until(120)
        assert story.said()[1:] == [(60, "resolved", ("db",))], "what depends on it has time to be found well again"
        await story.until(400)
        firing = [each for each in story.said() if each[1] == "firing"]
        assert [sources for _, _, sources in firing] == [("db",), ("api-00",)]
        assert len(story.said()) == 3


async def test_nothing_is_told_in_maintenance_and_what_outlasts_it_is(telling: Telling) -> None:
    window = "  - {name: upgrade, sources: {source: mail}, start: 2026-03-02T09:00:00Z, end: 2026-03-02T09:10:00Z}\n"
    async with telling(changed(maintenance=window), step_s=10) as story:
        await (await story.until(60)).fails("mail", "db")
        await (await story.until(240)).recovers("db")
        await story.until(590)
        assert story.said() == [(60, "firing", ("db",)), (240, "resolved", ("db",))]
        assert story.states()["mail"] is AlertState.SUPPRESSED
        await story.until(620)
        assert story.said()[2:] == [(600, "firing", ("mail",))]


async def test_a_silence_that_expires_in_the_middle_of_an_outage(telling: Telling) -> None:
    async with telling(step_s=10) as story:
        with story.monitoring.store.write() as connection:
            ends = START + timedelta(minutes=5)
            actions.mute(connection, Matcher(source=("mail",)), "ana", START, reason="known", ends=ends)
        await (await story.until(60)).fails("mail")
        await story.until(290)
        assert story.said() == []
        assert "ana" in story.alert("mail").suppressed_by
        await story.until(310)
        assert story.said() == [(300, "firing", ("mail",))]
        await (await story.until(400)).recovers("mail")
        assert story.said()[1:] == [(400, "resolved", ("mail",))]


@on_both_stores
async def test_the_end_of_a_silenced_alert_is_told_if_its_begin_was(telling: Telling) -> None:
    async with telling() as story:
        await story.fails("mail", "db")
        with story.monitoring.store.write() as connection:
            ends = START + timedelta(hours=5)
            actions.mute(connection, Matcher(source=("mail",)), "ana", story.now, reason="known", ends=ends)
        await (await story.until(30)).settle()
        assert story.states()["mail"] is AlertState.SUPPRESSED
        await (await story.until(100)).recovers("mail")
        assert story.said()[2:] == [(100, "resolved", ("mail",))]


PEOPLE = """
  pager: {kind: webhook, url: "{hook}/pager"}
  second: {kind: webhook, url: "{hook}/second"}
  chief: {kind: webhook, url: "{hook}/chief"}
"""
LADDER = """
  ladder:
    levels:
      - {after: 0s, notify: ["channel:pager"]}
      - {after: 5m, notify: ["channel:second"]}
      - {after: 15m, notify: ["channel:chief"]}
    repeat_every: 10m
"""


async def test_an_escalation_climbs_until_somebody_acknowledges(telling: Telling) -> None:
    config = changed(channels=PEOPLE, escalations=LADDER, alerting="  routes: [{escalation: ladder}]\n")
    async with telling(config, step_s=60) as story:
        await story.fails("mail")
        await story.until(960)
        assert [(each.at, each.channel) for each in story.heard] == [(0, "pager"), (300, "second"), (900, "chief")]
        with story.monitoring.store.write() as connection:
            actions.acknowledge(connection, story.alert("mail").id, by="ana", now=story.now)
        await story.until(3 * 3600)
        assert {each.kind for each in story.heard[3:]} <= {"acknowledged"}
        assert story.states()["mail"] is AlertState.ACKNOWLEDGED
        await story.recovers("mail")
        assert story.said()[-1][1] == "resolved"


async def test_a_dead_channel_hands_over_to_its_fallback(telling: Telling) -> None:
    channels = (
        '  pager: {kind: webhook, url: "http://127.0.0.1:1/", attempts: 2, fallback: spare}\n'
        '  spare: {kind: webhook, url: "{hook}/spare"}\n'
    )
    config = changed(channels=channels, alerting='  routes: [{notify: ["channel:pager"]}]\n')
    async with telling(config, step_s=2) as story:
        await story.fails("mail")
        await story.until(120)
        assert [(each.channel, each.kind) for each in story.heard] == [("spare", "firing")]
        assert "pager" in story.heard[0].body["note"]


@on_both_stores
async def test_a_storm_is_a_few_pages_and_one_digest(telling: Telling) -> None:
    storm = "".join(f"  - {{id: s{n:04d}, checks: [{{kind: tcp, host: 127.0.0.1, port: 1}}]}}\n" for n in range(1_000))
    async with telling(SHOP + storm, step_s=10) as story:
        await story.fails(*(f"s{n:04d}" for n in range(1_000)))
        await story.until(90)
        kinds = [kind for _, kind, _ in story.said()]
        assert kinds.count("firing") == 30
        assert kinds.count("digest") == 1
        digest = next(each.body for each in story.heard if each.kind == "digest")
        told = {source for _, _, sources in story.said() for source in sources}
        assert len(digest["alerts"]) + digest["more"] == 970
        assert len(told) >= 30


@on_both_stores
async def test_clocks_that_jump_neither_lose_nor_double(telling: Telling) -> None:
    async with telling() as story:
        await story.fails("mail")
        story.now += timedelta(hours=1)
        await story.settle()
        story.now -= timedelta(minutes=70)
        await story.settle()
        await story.fails("db")
        story.now += timedelta(minutes=11)
        await story.recovers("mail", "db")
        await story.until(3_600 + 600)
        kinds = [(kind, sources) for _, kind, sources in story.said() if kind != "reminder"]
        assert sorted(kinds) == [
            ("firing", ("db",)), ("firing", ("mail",)), ("resolved", ("db",)), ("resolved", ("mail",)),
        ]  # fmt: skip


async def test_unknown_is_no_alarm_and_no_all_clear(telling: Telling) -> None:
    async with telling() as story:
        await story.finds(Status.UNKNOWN, ["db"])
        await story.fails("mail")
        await (await story.until(60)).finds(Status.UNKNOWN, ["mail"], "we are cut off")
        await story.until(300)
        assert story.said() == [(0, "firing", ("mail",))]
        assert story.states() == {"mail": AlertState.FIRING}


async def test_every_message_has_a_key_of_its_own(telling: Telling) -> None:
    async with telling() as story:
        for minute in range(5):
            await (await story.until(minute * 60)).fails("mail", "db")
            await (await story.until(minute * 60 + 30)).recovers("mail", "db")
        keys = list(story.keys())
        assert len(keys) == len(set(keys)) > 4

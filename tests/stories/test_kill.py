"""Processes are killed for real, again and again: no slot runs twice, no recorded row is lost, and
every slot is accounted for, as a result or as a gap."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from monitoring_pipeline.checks.slots import schedule_of
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import checks, gaps, results
from tests.databases import KeptDatabase
from tests.stories.serving import CHECKS, STEPS


def start(url: str, log: Path, seconds: float, step: str = "") -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "tests.stories.serving", url, str(log), str(seconds)]
    return subprocess.Popen([*arguments, step] if step else arguments)


def journal(log: Path, word: str) -> Counter[tuple[str, int]]:
    lines = (line.split() for line in log.read_text().splitlines())
    return Counter((key, int(slot)) for what, key, slot in lines if what == word)


def assert_sound(url: str, log: Path) -> None:
    """Compares what the processes did with what the store says."""
    store = OperationalStore.open(url, system_clock())
    with store.read() as connection:
        rows = connection.execute(select(results.c.source, results.c.check_id, results.c.slot)).all()
        lost = connection.execute(select(gaps)).all()
        due = {row.key: row.claimed_slot or row.next_slot for row in connection.execute(select(checks))}
    store.close()
    recorded = Counter((f"{row.source}/{row.check_id}", row.slot) for row in rows)
    probed, kept = journal(log, "probe"), journal(log, "kept")
    assert max(recorded.values()) == 1, "a slot was recorded twice"
    assert max(probed.values()) == 1, "a slot was run twice"
    assert set(recorded) <= set(probed), "a result came from nowhere"
    assert set(kept) <= set(recorded), "a recorded row was lost"
    for check in CHECKS:
        schedule = schedule_of(check)
        have = {slot for key, slot in recorded if key == check.key}
        missing = [gap for gap in lost if gap.source == check.source.id]
        holes = {slot for gap in missing for slot in range(gap.start, gap.end + 1, schedule.interval_us)}
        assert len(holes) == sum(gap.slots for gap in missing), "two gaps overlap, or count wrongly"
        assert not have & holes, "a slot is both a result and a gap"
        first = min(have | holes)
        assert have | holes == set(range(first, due[check.key], schedule.interval_us)), "a slot is unaccounted for"


ON_A_SERVER = ("after-claim", "before-record", "after-record")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> dict[str, tuple[str, Path]]:
    """Stores, with the journal of each, in which a process died at a step and another one went on, all at a time:
    mostly they wait."""
    folder = tmp_path_factory.mktemp("killed")
    places = {step: (f"sqlite:///{folder / step}.db", folder / step) for step in STEPS}
    for step in ON_A_SERVER:
        database = KeptDatabase(postgres_server, step.replace("-", "_"))
        database.make()
        places[f"{step} on a server"] = database.url, folder / f"{step}-on-a-server"
    dying = [start(url, log, 60, name.removesuffix(" on a server")) for name, (url, log) in places.items()]
    assert {process.wait(90) for process in dying} == {-9}
    following = [start(url, log, 9) for url, log in places.values()]
    assert {process.wait(90) for process in following} == {0}
    return places


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step(killed: dict[str, tuple[str, Path]], step: str) -> None:
    assert_sound(*killed[step])


@pytest.mark.parametrize("step", ON_A_SERVER)
def test_killed_at_the_steps_that_a_database_server_sees(killed: dict[str, tuple[str, Path]], step: str) -> None:
    assert_sound(*killed[f"{step} on a server"])


def test_killed_at_any_moment_while_others_take_over(store_url: str, tmp_path: Path) -> None:
    log, chance = tmp_path / "journal", random.Random(7)
    running = [start(store_url, log, 60), start(store_url, log, 60)]
    for _ in range(10):
        time.sleep(chance.uniform(0.8, 2.5))
        victim = running.pop(0)
        victim.kill()
        victim.wait()
        running.append(start(store_url, log, 60))
    for process in running:
        process.kill()
        process.wait()
    assert start(store_url, log, 9).wait(60) == 0
    assert_sound(store_url, log)
    store = OperationalStore.open(store_url, system_clock())
    with store.read() as connection:
        assert len(connection.execute(select(results.c.id)).all()) > 50
    store.close()

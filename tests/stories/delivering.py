"""Processes that write and deliver notifications and are killed for it:
`python -m tests.stories.delivering URL FOLDER [--rounds N] [--seed S] [--timeout S]`.

Each round starts a process that writes some notifications and delivers what is due, two of them at a time, and
kills the older one: at a named step, or whenever it happens to be. In the end one is left in peace, until nothing
is to be sent any more. A receiver counts what arrives; everybody keeps a journal, so that what was done can be
compared with what the store says. Prints the counts as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, select

from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.delivery.outbox import Outbox
from monitoring_pipeline.alerting.delivery.worker import Worker
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox as box
from monitoring_pipeline.store import sending
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft
from monitoring_pipeline.store.sending import Attempt, Claimed, Lane, Outcome
from monitoring_pipeline.store.tables import attempts, notifications

__all__ = ["STEPS", "Counted", "main"]

STEPS = (
    "before-enqueue", "after-enqueue", "before-claim", "in-claim", "after-claim", "before-send", "in-send",
    "after-send", "before-record", "in-record", "after-record",
)  # fmt: skip
_CHANNELS = ("one", "two", "three")
_PER_ROUND = 6
_THREADS = 4
_LONGEST_ROUND_S = 0.35
_STEP_WITHIN_S = 0.6


@dataclass(frozen=True)
class Counted:
    """What came of all rounds. `excused` duplicates are those of a process that was killed after it sent and before
    it wrote that down (or, on a machine that is too busy, got no answer in time: `failed`); `unexcused`, `lost`,
    `disordered` and `unsent` must be 0."""

    rounds: int
    kills: int
    steps_reached: int
    written: int
    delivered: int
    lost: int
    duplicated: int
    excused: int
    unexcused: int
    disordered: int
    unsent: int
    interrupted: int
    failed: int
    seconds: float


class Journal:
    """Lines that survive the process that wrote them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, *lines: str) -> None:
        if lines:
            os.write(self._file, "".join(f"{line} {os.getpid()}\n" for line in lines).encode())


# -- the receiver ------------------------------------------------------------------------------------------------


class _Reception(asyncio.Protocol):
    """Takes one message: writes down its key and who sent it, waits a little, answers."""

    def __init__(self, journal: int) -> None:
        self._journal, self._read = journal, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._read.endswith(b"\r\n\r\n"):
            return
        headers = dict(line.split(b": ", 1) for line in self._read.split(b"\r\n") if b": " in line)
        key, sender = headers[b"Idempotency-Key"].decode(), headers[b"X-Sender"].decode()
        os.write(self._journal, f"received {key} {sender}\n".encode())
        asyncio.get_running_loop().call_later(random.uniform(0, 0.01), self._answer)

    def _answer(self) -> None:
        self._transport.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")  # type: ignore[attr-defined]
        self._transport.close()


async def _receive(folder: Path) -> None:
    journal = os.open(folder / "received", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    server = await asyncio.get_running_loop().create_server(lambda: _Reception(journal), "127.0.0.1", 0, backlog=1024)
    (folder / "port.tmp").write_text(str(server.sockets[0].getsockname()[1]))
    (folder / "port.tmp").rename(folder / "port")
    await server.serve_forever()


# -- one process -------------------------------------------------------------------------------------------------


class Knock(Channel):
    """Hands a key to the receiver."""

    kind: Literal["knock"] = "knock"
    url: str
    journal: Any
    at: Any

    async def send(self, message: Message, context: SendContext) -> Sent:
        self.journal.write(f"sending {message.key}")
        self.at("before-send")
        headers = {"Idempotency-Key": message.key, "X-Sender": str(os.getpid())}
        asyncio.get_running_loop().call_later(0.002, self.at, "in-send")
        async with context.http.get(self.url, headers=headers) as response:
            self.at("after-send")
            if response.status != 204:
                raise Undelivered(f"answered {response.status}", code=response.status)
            return Sent(response.status)


class _Fate:
    """Ends the process the moment it comes to a step, after it came there a few times."""

    def __init__(self, step: str, lives: int) -> None:
        self._step, self._lives = step, lives

    def at(self, here: str) -> None:
        if here == self._step:
            self._lives -= 1
            if self._lives < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _watch(fate: _Fate, journal: Journal) -> None:
    """Puts the steps of the store's side where they belong."""
    claim, finish = sending.claim, sending.finish

    def watched_claim(
        connection: Connection, worker: str, now: datetime, lanes: Sequence[Lane], **options: Any
    ) -> list[Claimed]:
        fate.at("before-claim")
        claimed = claim(connection, worker, now, lanes, **options)
        if claimed:
            fate.at("in-claim")
        return claimed

    def watched_finish(
        connection: Connection, worker: str, outcomes: Sequence[Outcome], now: datetime
    ) -> set[int]:  # fmt: skip
        if outcomes:
            fate.at("before-record")
        done = finish(connection, worker, outcomes, now)
        if outcomes:
            fate.at("in-record")
        return done

    sending.claim, sending.finish = watched_claim, watched_finish
    commit = Worker._commit

    def watched_commit(worker: Worker, batch: list[Outcome], claiming: bool, holding: Any) -> list[Claimed]:
        claimed = commit(worker, batch, claiming, holding)
        words = {Attempt.SENT: "recorded", Attempt.FAILED: "failed"}
        journal.write(*(f"{words.get(outcome.attempt, 'other')} {outcome.claimed.key}" for outcome in batch))
        if batch:
            fate.at("after-record")
        if claimed:
            fate.at("after-claim")
        return claimed

    Worker._commit = watched_commit  # type: ignore[method-assign]


def _drafts(number: int, now: datetime) -> list[Draft]:
    drafts = []
    for n in range(_PER_ROUND):
        key, thread = f"{number:05d}-{n}", f"thread-{number // 3}-{n % _THREADS}"
        message = Message(
            key=key, thread=thread, kind=Kind.FIRING, reason="new", title=key, severity=Severity.ERROR, at=now
        )
        drafts.append(
            Draft(
                key=key, kind="firing", reason="new", channel=_CHANNELS[n % len(_CHANNELS)], thread=thread,
                severity=Severity.ERROR, message=message.model_dump_json(), due=now,
            )
        )  # fmt: skip
    return drafts


def _enqueue(store: OperationalStore, number: int, fate: _Fate, journal: Journal) -> None:
    drafts = _drafts(number, system_clock())
    with store.write() as connection:
        box.enqueue(connection, drafts, system_clock())
        fate.at("before-enqueue")
    journal.write(*(f"written {draft.key}" for draft in drafts))
    fate.at("after-enqueue")


async def _deliver(outbox: Outbox, store: OperationalStore, *, to_the_end: bool) -> None:
    stop = asyncio.Event()
    running = asyncio.ensure_future(outbox.run(stop))
    while to_the_end:
        await asyncio.sleep(0.1)
        with store.read() as connection:
            if box.open_count(connection) == 0:
                stop.set()
                break
    await running


def _live(options: argparse.Namespace, number: int, step: str, lives: int) -> None:
    """The life of one process; the last one, which has no number, ends by itself."""
    folder = Path(options.folder)
    journal, fate = Journal(folder / "journal"), _Fate(step, lives)
    store = OperationalStore.open(options.url, system_clock())
    _watch(fate, journal)
    url = f"http://127.0.0.1:{(folder / 'port').read_text()}/"
    timeout = timedelta(seconds=options.timeout)
    channels: dict[str, Channel] = {
        name: Knock(url=url, journal=journal, at=fate.at, timeout=timeout, attempts=100) for name in _CHANNELS
    }
    outbox = Outbox(store, Plan(channels=channels), system_clock, lease=timedelta(seconds=0))
    if number >= 0:
        _enqueue(store, number, fate, journal)
    asyncio.run(_deliver(outbox, store, to_the_end=number < 0))


def _fork(life: Callable[[], None]) -> int:
    """A process of its own, with everything imported already; it leaves without looking back."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        life()
        code = 0
    finally:
        os._exit(code)


# -- all of them -------------------------------------------------------------------------------------------------


def _ended(child: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.005)
    return False


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _rounds(options: argparse.Namespace, chance: random.Random) -> tuple[int, int]:
    """Kills a process a round; answers how many were killed, and how many of them came to their step."""
    alive: list[tuple[int, str]] = []
    kills = reached = 0
    for number in range(options.rounds):
        step = STEPS[number // 2 % len(STEPS)] if number % 2 else ""
        lives = chance.choice((0, 0, 1, 3)) if "enqueue" not in step else 0
        alive.append((_fork(lambda n=number, s=step, k=lives: _live(options, n, s, k)), step))  # type: ignore[misc]
        if len(alive) < 2:
            continue
        child, fate = alive.pop(0)
        if fate and _ended(child, _STEP_WITHIN_S):
            reached += 1
        else:
            time.sleep(0.0 if fate else chance.uniform(0, _LONGEST_ROUND_S))
            _kill(child)
        kills += 1
    for child, _ in alive:
        _kill(child)
        kills += 1
    return kills, reached


def _lines(path: Path) -> list[tuple[str, str, str]]:
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        what, key, who = line.split()
        found.append((what, key, who))
    return found


def _count(options: argparse.Namespace, kills: int, reached: int, began: float) -> Counted:
    folder = Path(options.folder)
    received = [(key, who) for _, key, who in _lines(folder / "received")]
    journal = _lines(folder / "journal")
    recorded = {(key, who) for what, key, who in journal if what == "recorded"}
    store = OperationalStore.open(options.url, system_clock())
    with store.read() as connection:
        rows = connection.execute(select(notifications).order_by(notifications.c.id)).all()
        interrupted = len(
            connection.execute(select(attempts.c.id).where(attempts.c.outcome == "interrupted")).all()
        )  # fmt: skip
    store.close()
    written = {row.key for row in rows} | {key for what, key, _ in journal if what == "written"}
    by_key: dict[str, list[str]] = defaultdict(list)
    for key, who in received:
        by_key[key].append(who)
    # Everybody but the last is killed. Who received an answer and lived to write it down has no excuse.
    excused = sum((key, who) not in recorded for key, whos in by_key.items() for who in whos[:-1])
    duplicated = len(received) - len(by_key)
    return Counted(
        rounds=options.rounds, kills=kills, steps_reached=reached, written=len(written), delivered=len(by_key),
        lost=len(written - set(by_key)) + len(set(by_key) - written), duplicated=duplicated, excused=excused,
        unexcused=duplicated - excused, disordered=_disordered(rows, received),
        unsent=sum(count for state, count in Counter(row.state for row in rows).items() if state != "sent"),
        interrupted=interrupted, failed=sum(what == "failed" for what, _, _ in journal),
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip


def _disordered(rows: Sequence[Any], received: Sequence[tuple[str, str]]) -> int:
    """How many messages came for the first time after a later one of their thread and channel."""
    of = {row.key: (row.id, row.channel, row.thread) for row in rows}
    newest: dict[tuple[str, str], int] = {}
    late = 0
    for key in dict.fromkeys(key for key, _ in received):
        number, channel, thread = of[key]
        late += number < newest.get((channel, thread), 0)
        newest[channel, thread] = max(number, newest.get((channel, thread), 0))
    return late


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the rounds and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--timeout", type=float, default=1.0, help="of a channel; leases are three times as long")
    options = parser.parse_args(arguments)
    began, folder = time.monotonic(), Path(options.folder)
    OperationalStore.open(options.url, system_clock()).close()
    receiver = _fork(lambda: asyncio.run(_receive(folder)))
    try:
        while not (folder / "port").exists():
            time.sleep(0.01)
        kills, reached = _rounds(options, random.Random(options.seed))
        last = _fork(lambda: _live(options, -1, "", 0))
        if not _ended(last, 120):
            _kill(last)
        print(json.dumps(asdict(_count(options, kills, reached, began))))
    finally:
        _kill(receiver)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

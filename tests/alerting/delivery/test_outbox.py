"""The outbox at work: a real store, a real receiver, an injected clock, and channels that behave badly."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any, ClassVar, Literal

import pytest
from sqlalchemy import select, update

from monitoring_pipeline.alerting.delivery.attempt import backoff
from monitoring_pipeline.alerting.delivery.channel import Channel, RateLimit, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.delivery.outbox import Drained, Outbox
from monitoring_pipeline.alerting.delivery.posting import post
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.alerting.spec import AlertingSpec, PersonSpec, Plan
from monitoring_pipeline.clock import from_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox as box
from monitoring_pipeline.store.channels import ChannelState, channels_by_name
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.tables import attempts, notifications
from monitoring_pipeline.store.told import alerts_told
from tests.alerting.delivery.channels.receiver import Received, Receiver, Reply

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


class Hook(Channel):
    """Posts the key to the receiver, under a path of its own."""

    kind: Literal["hook"] = "hook"
    url: str
    recipient_field: ClassVar[str] = "email"

    async def send(self, message: Message, context: SendContext) -> Sent:
        body = {"key": message.key, "to": context.recipient, "note": message.note, "kind": message.kind}
        answer = await post(context, self.url, json={**body, "reference": context.reference}, what="The hook")
        return Sent(answer.code, reference=answer.json() or {})


class Text(Hook):
    """The same by phone number."""

    recipient_field: ClassVar[str] = "phone"


class Raising(Channel):
    """Does what no channel should."""

    kind: Literal["raising"] = "raising"
    error: Any

    async def send(self, message: Message, context: SendContext) -> Sent:
        if self.error == "deaf":
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if _released.is_set():
                        raise
        if self.error == "hang":
            await asyncio.sleep(3600)
        if self.error == "nothing":
            return None  # type: ignore[return-value]
        raise self.error


_released = asyncio.Event()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, START)
    yield opened
    opened.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


def hook(receiver: Receiver, name: str = "hook", **values: Any) -> Hook:
    return Hook(url=f"{receiver.url}/{name}", **values)


def make(
    store: OperationalStore, clock: Hands, *, plan: Mapping[str, Any] | None = None, **channels: Channel
) -> Outbox:
    return Outbox(
        store, Plan(channels=channels, **(plan or {})), clock, redact=lambda text: text.replace("S3CRET", "*")
    )


def draft(key: str, channel: str = "hook", at: datetime = START, **more: Any) -> Draft:
    values: dict[str, Any] = {
        "kind": "firing", "reason": "new", "thread": key, "severity": Severity.WARNING, "due": at, **more,
    }  # fmt: skip
    message = Message(
        key=key, thread=values["thread"], kind=Kind(values["kind"]), reason=values["reason"], title=f"{key} is down",
        severity=values["severity"], at=at,
    )  # fmt: skip
    return Draft(key=key, channel=channel, **{"message": message.model_dump_json(), **values})


def write(store: OperationalStore, *drafts: Draft, at: datetime = START) -> list[int]:
    with store.write() as connection:
        return box.enqueue(connection, drafts, at)


def rows(store: OperationalStore) -> dict[str, Any]:
    with store.read() as connection:
        return {row.key: row for row in connection.execute(select(notifications))}


def states(store: OperationalStore) -> dict[str, str]:
    return {key: row.state for key, row in rows(store).items()}


def attempted(store: OperationalStore) -> list[tuple[str, int | None]]:
    with store.read() as connection:
        return [(row.outcome, row.code) for row in connection.execute(select(attempts).order_by(attempts.c.id))]


def keys(receiver: Receiver, path: str | None = None) -> list[str]:
    return [request.json()["key"] for request in receiver.requests if path is None or request.path == f"/{path}"]


def state_of(store: OperationalStore, name: str = "hook") -> ChannelState:
    with store.read() as connection:
        return channels_by_name(connection).get(name) or ChannelState(name)


async def until(condition: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.ensure_future(outbox.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


# -- the plain way -------------------------------------------------------------------------------------------


async def test_what_is_due_is_sent_and_written_down(store, hands, receiver) -> None:
    write(store, draft("a"), draft("later", at=START + timedelta(hours=1)))
    assert await make(store, hands, hook=hook(receiver)).drain(10) == Drained(sent=1, failed=0, left=1)
    assert keys(receiver) == ["a"]
    assert states(store) == {"a": "sent", "later": "waiting"}
    assert attempted(store) == [("sent", 200)]
    assert state_of(store).last_ok == int(START.timestamp() * 1e6)


async def test_a_nudge_from_another_thread_wakes_a_running_outbox(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver))
    async with running(outbox):
        await asyncio.to_thread(write, store, draft("a"))
        await asyncio.to_thread(outbox.nudge)
        await until(lambda: keys(receiver) == ["a"])
        await asyncio.to_thread(write, store, draft("b"))  # nobody says a word
        await until(lambda: keys(receiver) == ["a", "b"])
        await until(lambda: states(store) == {"a": "sent", "b": "sent"})
    outbox.nudge()  # nobody works any more: it says nothing to nobody


async def test_stopping_finishes_what_is_under_way(store, hands, receiver) -> None:
    gate = asyncio.Event()

    class Slow(Hook):
        async def send(self, message: Message, context: SendContext) -> Sent:
            gate.set()
            await asyncio.sleep(0.1)
            return await super().send(message, context)

    write(store, draft("a"))
    async with running(make(store, hands, hook=Slow(url=receiver.url))):
        await gate.wait()
    assert states(store) == {"a": "sent"}


async def test_messages_of_a_thread_arrive_in_order(store, hands, receiver) -> None:
    write(store, *(draft(f"{n:02d}", thread="t", severity=list(Severity)[n % 4]) for n in range(20)))
    await make(store, hands, hook=hook(receiver)).drain(20)
    assert keys(receiver) == [f"{n:02d}" for n in range(20)]


async def test_a_resolve_never_overtakes_its_firing(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver))
    receiver.answer(503)
    write(store, draft("fires", thread="t"), draft("resolves", thread="t", kind="resolved", severity=Severity.CRITICAL))
    assert await outbox.drain(10) == Drained(sent=0, failed=1, left=2)
    hands.forward(seconds=2)
    assert await outbox.drain(10) == Drained(sent=2, failed=0, left=0)
    assert keys(receiver) == ["fires", "fires", "resolves"]


async def test_references_reach_later_messages_of_the_thread(store, hands) -> None:
    async with Receiver(default={"ts": "7"}) as receiver:
        outbox = make(store, hands, hook=hook(receiver))
        kinds = ("firing", "reminder", "resolved", "firing")
        write(store, *(draft(str(n), thread="t", kind=kind) for n, kind in enumerate(kinds)))
        await outbox.drain(10)
        assert [request.json()["reference"] for request in receiver.requests] == [None, {"ts": "7"}, {"ts": "7"}, None]


# -- what goes wrong -------------------------------------------------------------------------------------------


async def test_transient_failures_are_tried_again_ever_later_and_then_given_up(store, hands) -> None:
    async with Receiver(handler=lambda _: Reply(500, b"S3CRET broke")) as receiver:
        outbox = make(store, hands, hook=hook(receiver, attempts=4))
        write(store, draft("a"))
        waits = []
        while states(store)["a"] == "waiting":
            due = from_us(rows(store)["a"].due)
            waits.append((due - hands.now).total_seconds())
            hands.now = due
            await outbox.drain(10)
        assert len(receiver.requests) == 4
        assert waits == pytest.approx([0, 1, 2, 4], rel=0.2)
        assert states(store) == {"a": "dead"}
        assert "*" in rows(store)["a"].error and "S3CRET" not in rows(store)["a"].error
        assert attempted(store) == [("failed", 500)] * 4


def test_waits_double_up_to_five_minutes() -> None:
    for attempt_number, seconds in ((1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (99, 300)):
        assert seconds * 0.8 <= backoff(attempt_number).total_seconds() <= seconds * 1.2
    assert len({backoff(5) for _ in range(20)}) > 1


async def test_permanent_failures_are_dead_at_once_and_can_be_replayed(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver))
    receiver.answer(400, "no such room")
    (notification,) = write(store, draft("a"))
    await outbox.drain(10)
    assert states(store) == {"a": "dead"} and attempted(store) == [("rejected", 400)]
    with store.write() as connection:
        (letter,) = box.dead_letters(connection, START)
        assert "no such room" in letter.error and not letter.fell_back
        assert box.replay(connection, [letter.id], hands.now) == [notification]
    assert await outbox.drain(10) == Drained(sent=1, failed=0, left=0)
    assert keys(receiver) == ["a", "a"]


@pytest.mark.parametrize(
    ("error", "state", "detail"),
    [
        (ValueError("the template lacks S3CRET"), "dead", "ValueError: the template lacks *"),
        (RecursionError("deep"), "dead", "RecursionError: deep"),
        (SystemExit(3), "dead", "RuntimeError: the channel raised SystemExit: 3"),
        (Undelivered("wrong number", permanent=True), "dead", "wrong number"),
        (Undelivered("x" * 5000), "waiting", "x" * 497 + "..."),
        (ConnectionResetError("reset"), "waiting", "ConnectionResetError: reset"),
        ("hang", "waiting", "no answer within 200ms"),
        ("deaf", "waiting", "no answer within 200ms"),
        ("nothing", "sent", ""),
    ],
)
async def test_a_bad_channel_stops_only_itself(store, hands, receiver, error, state, detail) -> None:
    _released.clear()
    bad = Raising(error=error, timeout="200ms")
    write(store, draft("bad", "bad"), *(draft(f"good {n}") for n in range(3)))
    await make(store, hands, bad=bad, hook=hook(receiver)).drain(10)
    assert states(store) == {"bad": state, "good 0": "sent", "good 1": "sent", "good 2": "sent"}
    assert rows(store)["bad"].error == detail
    _released.set()


async def test_a_message_nobody_can_read_is_dead(store, hands, receiver) -> None:
    write(store, draft("a", message="{}"), draft("b"))
    await make(store, hands, hook=hook(receiver)).drain(10)
    assert states(store) == {"a": "dead", "b": "sent"}


async def test_a_channel_that_never_answers_starves_nobody(store, hands, receiver) -> None:
    async with Receiver(handler=lambda _: Reply(hang=True)) as silent:
        outbox = make(store, hands, dead=hook(silent, timeout="30s"), hook=hook(receiver), other=hook(receiver, "o"))
        write(store, *(draft(f"dead {n}", "dead", severity=Severity.CRITICAL) for n in range(500)))
        write(store, *(draft(f"{name} {n}", name) for name in ("hook", "other") for n in range(30)))
        stop = asyncio.Event()
        task = asyncio.ensure_future(outbox.run(stop))
        await until(lambda: Counter(states(store).values()) == {"waiting": 496, "sending": 4, "sent": 60})
        assert len(silent.requests) == 4
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_storm_of_429_blocks_the_channel_until_it_says(store, hands) -> None:
    calm = START + timedelta(seconds=90)

    def answer(_: Received) -> Reply:
        left = (calm - hands.now).total_seconds()
        return Reply(429, headers={"Retry-After": f"{left:g}"}) if left > 0 else Reply()

    async with Receiver(handler=answer) as receiver:
        outbox = make(store, hands, hook=hook(receiver, attempts=2), other=hook(receiver))
        write(store, *(draft(f"k{n}") for n in range(50)))
        await outbox.drain(10)
        assert len(receiver.requests) == 4
        for _ in range(8):
            hands.forward(seconds=10)
            await outbox.drain(10)
        assert len(receiver.requests) == 4, "nothing is sent before it may be"
        assert Counter(states(store).values()) == {"waiting": 50}
        hands.now = calm
        assert (await outbox.drain(10)).left == 0
        assert set(states(store).values()) == {"sent"}
        assert state_of(store).blocked_until is None


async def test_throttling_uses_up_no_attempts_but_a_day_is_enough(store, hands) -> None:
    async with Receiver(handler=lambda _: Reply(429)) as receiver:
        outbox = make(store, hands, hook=hook(receiver, attempts=1))
        write(store, draft("a"))
        for _ in range(5):
            await outbox.drain(10)
            hands.forward(seconds=30)
        assert len(receiver.requests) == 5 and states(store) == {"a": "waiting"}
        hands.forward(days=1)
        await outbox.drain(10)
        assert states(store) == {"a": "dead"}


async def test_a_rate_limit_spreads_messages(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver, rate_limit=RateLimit(messages=3, per="10s")))
    write(store, *(draft(f"k{n}") for n in range(8)))
    counts = []
    for _ in range(3):
        await outbox.drain(10)
        counts.append(len(receiver.requests))
        hands.forward(seconds=10.1)
    assert counts == [3, 6, 8]


async def test_an_answer_of_10_mb_is_not_read(store, hands) -> None:
    body = b"x" * 10_000_000
    async with Receiver(handler=lambda request: Reply(200 if request.path == "/ok" else 400, body)) as receiver:
        write(store, draft("good", "ok"), draft("bad", "bad"))
        await make(store, hands, ok=hook(receiver, "ok"), bad=hook(receiver, "bad")).drain(10)
    assert states(store) == {"good": "sent", "bad": "dead"}
    assert len(rows(store)["bad"].error) < 1000


async def test_forbidden_networks_are_not_reached(store, hands, receiver) -> None:
    plan = Plan(channels={"hook": hook(receiver), "named": Hook(url=receiver.url.replace("127.0.0.1", "localhost"))})
    networks = NetworksSpec(deny=[IPv4Network("127.0.0.0/8"), "::1/128"])
    write(store, draft("a"), draft("b", "named"))
    await Outbox(store, plan, hands, networks).drain(10)
    assert receiver.requests == []
    assert states(store) == {"a": "dead", "b": "dead"}
    assert "execution.networks forbids" in rows(store)["a"].error


async def test_a_refused_connection_is_worth_another_try(store, hands) -> None:
    async with Receiver() as gone:
        pass
    write(store, draft("a"))
    await make(store, hands, hook=Hook(url=gone.url)).drain(10)
    assert states(store) == {"a": "waiting"}
    assert "refused" in rows(store)["a"].error


# -- channels that are not there --------------------------------------------------------------------------------


async def test_disabled_and_unknown_channels_make_dead_letters(store, hands, receiver) -> None:
    outbox = make(store, hands, off=hook(receiver, enabled=False, fallback="hook"), hook=hook(receiver))
    write(store, draft("a", "off"), draft("b", "gone"))
    await outbox.drain(10)
    assert states(store) == {"a": "dead", "b": "waiting"}, "maybe a newer configuration knows it"
    hands.forward(minutes=5)
    await outbox.drain(10)
    assert states(store) == {"a": "dead", "b": "dead"}
    assert rows(store)["a"].error == "the channel 'off' is disabled"
    assert rows(store)["b"].error == "the configuration has no channel 'gone'"
    assert receiver.requests == [] and attempted(store) == []


async def test_nothing_is_sent_while_sending_is_off(store, hands, receiver) -> None:
    off = {"spec": AlertingSpec(sending=False)}
    write(store, draft("a"))
    await make(store, hands, plan=off, hook=hook(receiver, self_test="1h")).drain(10)
    assert states(store) == {"a": "dropped"} and receiver.requests == []


# -- fallbacks ---------------------------------------------------------------------------------------------------


def by_path(**replies: int) -> Any:
    return lambda request: Reply(replies.get(request.path.strip("/"), 200))


async def test_a_dead_letter_goes_down_the_chain(store, hands) -> None:
    async with Receiver(handler=by_path(a=400, b=404)) as receiver:
        outbox = make(
            store, hands, a=hook(receiver, "a", fallback="b"), b=hook(receiver, "b", fallback="off"),
            off=hook(receiver, "off", enabled=False, fallback="c"), c=hook(receiver, "c", fallback="a"),
        )  # fmt: skip
        (first,) = write(store, draft("x", "a", thread="t", alert_ids=(4, 7)))
        await outbox.drain(10)
        assert [request.path for request in receiver.requests] == ["/a", "/b", "/c"]
        last = receiver.requests[-1].json()
        assert "a could not deliver this: The hook answered 400" in last["note"]
        assert last["note"].startswith("b could not deliver this: The hook answered 404")
        told = sorted(rows(store).values(), key=lambda row: row.id)
        assert [(row.channel, row.state, row.fallback_for, row.thread) for row in told] == [
            ("a", "dead", None, "t"), ("b", "dead", first, "t"), ("c", "sent", told[1].id, "t"),
        ]  # fmt: skip
        assert len({row.key for row in told}) == 3
        with store.read() as connection:
            links = alerts_told(connection, [row.id for row in told])
        assert set(map(tuple, links.values())) == {(4, 7)} and len(links) == 3


async def test_a_ring_of_fallbacks_comes_to_an_end(store, hands) -> None:
    async with Receiver(handler=by_path(a=400, b=400)) as receiver:
        outbox = make(store, hands, a=hook(receiver, "a", fallback="b"), b=hook(receiver, "b", fallback="a"))
        write(store, draft("x", "a"))
        await outbox.drain(10)
        assert [request.path for request in receiver.requests] == ["/a", "/b"]
        with store.read() as connection:
            assert [letter.fell_back for letter in box.dead_letters(connection, START)] == [True, False]


async def test_an_urgent_message_falls_back_early_and_once(store, hands) -> None:
    async with Receiver(handler=by_path(a=500)) as receiver:
        outbox = make(store, hands, a=hook(receiver, "a", fallback="b", attempts=5), b=hook(receiver, "b"))
        write(store, draft("urgent", "a", severity=Severity.ERROR), draft("plain", "a"))
        for _ in range(3):
            assert keys(receiver, "b") == []
            await outbox.drain(10)
            hands.forward(seconds=6)
        await outbox.drain(10)
        (early,) = [request.json()["note"] for request in receiver.requests if request.path == "/b"]
        assert early == "a has not delivered this yet: The hook answered 500: {}."
        for _ in range(20):
            hands.forward(seconds=30)
            await outbox.drain(10)
        assert states(store)["urgent"] == states(store)["plain"] == "dead"
        assert len(keys(receiver, "b")) == 2, "each of them once"


async def test_what_waits_behind_a_hanging_channel_falls_back_after_15_seconds(store, hands, receiver) -> None:
    async with Receiver(handler=lambda _: Reply(503, headers={"Retry-After": "3600"})) as busy:
        outbox = make(store, hands, a=hook(busy, "a", fallback="b"), b=hook(receiver, "b"))
        write(store, *(draft(f"k{n}", "a", severity=Severity.CRITICAL) for n in range(10)), draft("plain", "a"))
        await outbox.drain(10)
        assert receiver.requests == []
        hands.forward(seconds=15)
        await outbox.drain(10)
        assert len(receiver.requests) == 10
        assert Counter(states(store).values()) == {"waiting": 11, "sent": 10}
        hands.forward(seconds=60)
        await outbox.drain(10)
        assert len(receiver.requests) == 10


async def test_a_fallback_reaches_the_same_person_where_it_can(store, hands) -> None:
    people = {"people": {"ann": PersonSpec(email="ann@example.com", phone="+4930123456")}}
    async with Receiver(handler=by_path(mail=400)) as receiver:
        outbox = make(
            store, hands, plan=people, mail=hook(receiver, "mail", fallback="sms"), sms=Text(url=f"{receiver.url}/sms")
        )
        for key, who in (("a", "ann@example.com"), ("b", "who@example.com"), ("c", "")):
            write(store, draft(key, "mail", recipient=who))
        await outbox.drain(10)
        assert Counter(request.json()["to"] for request in receiver.requests if request.path == "/sms") == {
            "+4930123456": 1, "": 2,
        }  # fmt: skip


async def test_a_resolve_falls_back_only_to_who_wants_it(store, hands) -> None:
    async with Receiver(handler=by_path(a=400)) as receiver:
        outbox = make(store, hands, a=hook(receiver, "a", fallback="b"), b=hook(receiver, "b", send_resolved=False))
        write(store, draft("fires", "a"), draft("resolves", "a", kind="resolved"))
        await outbox.drain(10)
        assert [request.json()["kind"] for request in receiver.requests if request.path == "/b"] == ["firing"]


# -- leases, clocks, several workers ------------------------------------------------------------------------------


async def test_two_workers_send_nothing_twice(store, hands, receiver) -> None:
    other = OperationalStore.open(store.url, START)
    write(store, *(draft(f"k{n}", f"c{n % 3}", thread=f"t{n % 40}") for n in range(240)))
    channels = {f"c{n}": hook(receiver, f"c{n}") for n in range(3)}
    one, two = make(store, hands, **channels), make(other, hands, **channels)
    async with running(one), running(two):
        await until(lambda: Counter(states(store).values()) == {"sent": 240}, 60)
    assert Counter(keys(receiver)) == {f"k{n}": 1 for n in range(240)}
    for thread in range(40):
        arrived = [int(key[1:]) for key in keys(receiver) if int(key[1:]) % 40 == thread]
        by_channel = [[n for n in arrived if n % 3 == channel] for channel in range(3)]
        assert all(line == sorted(line) for line in by_channel)
    with store.read() as connection:
        workers = set(connection.execute(select(attempts.c.worker)).scalars())
    assert len(workers) == 2
    other.close()


async def test_what_a_dead_worker_left_is_sent_when_its_lease_ends(store, hands, receiver) -> None:
    async with Receiver(handler=lambda _: Reply(hang=True)) as silent:
        write(store, draft("a"))
        task = asyncio.ensure_future(make(store, hands, hook=hook(silent)).run(asyncio.Event()))
        await until(lambda: silent.requests)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    outbox = make(store, hands, hook=hook(receiver))
    hands.forward(seconds=29)
    await outbox.drain(10)
    assert receiver.requests == []
    hands.forward(seconds=1)
    await outbox.drain(10)
    assert keys(receiver) == ["a"] and attempted(store) == [("interrupted", None), ("sent", 200)]


async def test_being_cancelled_at_any_moment_leaves_no_claim_behind(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver), other=hook(receiver))
    write(store, *(draft(f"k{n}", ("hook", "other")[n % 2]) for n in range(120)))
    for moment in range(12):
        task = asyncio.ensure_future(outbox.run(asyncio.Event()))
        await asyncio.sleep(moment * 0.002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert "sending" not in states(store).values()
    await outbox.drain(20)
    assert Counter(keys(receiver)) == {f"k{n}": 1 for n in range(120)}
    assert {row.attempts for row in rows(store).values()} == {1}


async def test_a_message_that_kills_its_sender_is_given_up(store, hands, receiver) -> None:
    write(store, draft("a"))
    with store.write() as connection:
        connection.execute(update(notifications).values(attempts=3, state="sending", leased_by="gone"))
    outbox = make(store, hands, hook=hook(receiver, attempts=3, fallback="other"), other=hook(receiver, "other"))
    await outbox.drain(10)
    assert states(store)["a"] == "dead"
    assert rows(store)["a"].error == "sending was begun 3 times and never came to an end"
    assert [request.path for request in receiver.requests] == ["/other"]


async def test_the_lease_outlasts_the_timeout(store, hands, receiver) -> None:
    outbox = make(store, hands, slow=hook(receiver, timeout="40s"), hook=hook(receiver))
    assert [lane.lease.total_seconds() for lane in outbox.lanes(dict.fromkeys(("slow", "hook", "gone"), ()), {})] == [
        120,
        30,
        30,
    ]


async def test_a_clock_set_back_does_not_stop_deliveries(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver))
    receiver.answer(503, headers={"Retry-After": "60"})
    write(store, draft("before"), at=hands.now)
    async with running(outbox):
        await until(lambda: receiver.requests and state_of(store).failures)
        hands.forward(hours=-5)
        write(store, draft("after", at=hands.now), at=hands.now)
        await until(lambda: rows(store)["before"].due < START.timestamp() * 1e6)
        hands.forward(seconds=61)
        await until(lambda: set(states(store).values()) == {"sent"})
    assert keys(receiver)[0] == "before" and sorted(keys(receiver)) == ["after", "before", "before"]


async def test_a_clock_set_forward_takes_nothing_away_from_the_living(store, hands) -> None:
    gate = asyncio.Event()

    class Slow(Hook):
        async def send(self, message: Message, context: SendContext) -> Sent:
            sending.append(message.key)
            await gate.wait()
            return Sent()

    sending: list[str] = []
    other = OperationalStore.open(store.url, START)
    one, two = make(store, hands, hook=Slow(url="")), make(other, hands, hook=Slow(url=""))
    async with running(one), running(two):
        write(store, draft("a"))
        await until(lambda: sending)
        hands.forward(hours=3)
        write(store, draft("b", at=hands.now), at=hands.now)
        await until(lambda: "b" in sending)
        await asyncio.sleep(1.2)  # both looked again, more than once
        gate.set()
    assert sending == ["a", "b"]
    assert set(states(store).values()) == {"sent"}
    other.close()


async def test_a_store_that_is_away_for_a_moment_loses_nothing(tmp_path, hands, receiver) -> None:
    url = f"sqlite:///{tmp_path / 'operational.db'}"
    store = OperationalStore.open(url, START)
    write(store, draft("a"))
    outbox = make(store, hands, hook=hook(receiver))
    blocked = []

    def refuse(connection: Any, *_: Any) -> None:
        from sqlalchemy.exc import OperationalError

        if receiver.requests and len(blocked) < 2:
            blocked.append(1)
            raise OperationalError("disk full", {}, Exception("disk full"))

    from sqlalchemy import event

    event.listen(store.engine, "before_cursor_execute", refuse)
    async with running(outbox):
        await until(lambda: blocked == [1, 1])
    assert states(store) == {"a": "sent"} and keys(receiver) == ["a"]
    store.close()


# -- tests of channels ---------------------------------------------------------------------------------------------


async def test_a_test_proves_a_channel_and_frees_it(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver))
    receiver.answer(503, headers={"Retry-After": "3600"})
    write(store, draft("a"))
    await outbox.drain(10)
    assert (await outbox.send_test("hook", "ann")).code == 200
    assert receiver.requests[-1].json()["to"] == "ann"
    state = state_of(store)
    assert state.tested == state.last_ok == int(hands.now.timestamp() * 1e6) and state.blocked_until is None
    with pytest.raises(NotFound, match="did you mean 'hook'"):
        await outbox.send_test("hok")


async def test_a_failed_test_says_why(store, hands, receiver) -> None:
    receiver.answer(403, "S3CRET is no key")
    with pytest.raises(Undelivered, match="403"):
        await make(store, hands, hook=hook(receiver)).send_test("hook")
    state = state_of(store)
    assert state.tested is not None and state.last_ok is None and "* is no key" in state.error


async def test_silent_channels_are_tested_by_the_clock(store, hands, receiver) -> None:
    channels = {"hook": hook(receiver, self_test="1d"), "never": hook(receiver, "never")}
    one, two = make(store, hands, **channels), make(store, hands, **channels)
    await asyncio.gather(one.drain(10), two.drain(10))
    await one.drain(10)
    assert [request.json()["kind"] for request in receiver.requests] == ["test"]
    hands.forward(hours=23)
    write(store, draft("a", at=hands.now), at=hands.now)
    await one.drain(10)
    hands.forward(hours=23)
    await one.drain(10)
    assert len(receiver.requests) == 2, "a real message proves it too"
    hands.forward(hours=2)
    receiver.answer(400)
    await one.drain(10)
    await one.drain(10)
    assert len(receiver.requests) == 3, "one that failed is not repeated at once"
    hands.forward(days=1)
    await one.drain(10)
    assert len(receiver.requests) == 4 and json.loads(receiver.requests[-1].body)["kind"] == "test"


async def test_digests_wait_for_their_time(store, hands, receiver) -> None:
    outbox = make(store, hands, hook=hook(receiver))
    write(store, draft("d", due=START + timedelta(seconds=30), state=NotificationState.COLLECTING))
    assert await outbox.drain(10) == Drained()
    hands.forward(seconds=30)
    assert await outbox.drain(10) == Drained(sent=1)

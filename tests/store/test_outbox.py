"""The outbox in both databases: what is written once, who may send what in which order, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox, sending
from monitoring_pipeline.store.channels import (
    LONGEST_BLOCK,
    ChannelState,
    channels_by_name,
    forget_references,
    save_channels,
)
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.sending import Attempt, Claimed, Lane, Outcome
from monitoring_pipeline.store.tables import attempts, notification_alerts, notifications

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    yield opened
    opened.close()


def draft(key: str, channel: str = "hook", **more: object) -> Draft:
    values = {"kind": "firing", "reason": "new", "thread": key, "severity": Severity.WARNING, "message": "{}"}
    return Draft(key=key, channel=channel, **{**values, "due": NOW, **more})  # type: ignore[arg-type]


def write(store: OperationalStore, *drafts: Draft, at: datetime = NOW) -> list[int]:
    with store.write() as connection:
        return outbox.enqueue(connection, drafts, at)


def claim(store: OperationalStore, *lanes: Lane, worker: str = "me", at: datetime = NOW, **options) -> list[Claimed]:
    with store.write() as connection:
        found = lanes or [Lane(name) for name in sending.due_channels(connection, at)]
        return sending.claim(connection, worker, at, found, **options)


def keys(claimed: list[Claimed]) -> list[str]:
    return [each.key for each in claimed]


def sent(claimed: Claimed, **more: object) -> Outcome:
    return Outcome(claimed, NotificationState.SENT, NOW, Attempt.SENT, **more)  # type: ignore[arg-type]


def failed(claimed: Claimed, due: datetime = NOW, **more: object) -> Outcome:
    values = {"detail": "refused", "due": due, **more}
    return Outcome(claimed, NotificationState.WAITING, NOW, Attempt.FAILED, **values)  # type: ignore[arg-type]


def dead(claimed: Claimed) -> Outcome:
    return Outcome(claimed, NotificationState.DEAD, NOW, Attempt.REJECTED, detail="no such address", code=404)


def finish(store: OperationalStore, *outcomes: Outcome, worker: str = "me", at: datetime = NOW) -> set[int]:
    with store.write() as connection:
        return sending.finish(connection, worker, outcomes, at)


def row_of(store: OperationalStore, key: str):
    with store.read() as connection:
        return connection.execute(select(notifications).where(notifications.c.key == key)).one()


def outcomes_of(store: OperationalStore, notification: int) -> list[str]:
    with store.read() as connection:
        query = select(attempts.c.outcome).where(attempts.c.notification_id == notification).order_by(attempts.c.id)
        return list(connection.execute(query).scalars())


# -- writing -----------------------------------------------------------------------------------------------


def test_a_key_is_written_once(store: OperationalStore) -> None:
    first = write(store, draft("a", alert_ids=(1, 2, 2)), draft("b"))
    again = write(store, draft("b", message="other"), draft("c"), draft("a", alert_ids=(2, 3)), draft("c"))
    assert again[0] == first[1] and again[2] == first[0] and again[1] == again[3]
    assert row_of(store, "b").message == "{}"
    with store.read() as connection:
        assert len(connection.execute(select(notifications.c.id)).all()) == 3
        links = connection.execute(select(notification_alerts).order_by(notification_alerts.c.alert_id)).all()
    assert [tuple(link) for link in links] == [(first[0], 1), (first[0], 2), (first[0], 3)]


def test_many_drafts_at_once(store: OperationalStore) -> None:
    drafts = [draft(f"k{n}", alert_ids=(n,)) for n in range(1300)]
    ids = write(store, *drafts)
    assert len(set(ids)) == 1300 and ids == sorted(ids)
    assert write(store, *reversed(drafts)) == ids[::-1]
    assert write(store) == []


def test_a_dropped_draft_is_kept_and_never_due(store: OperationalStore) -> None:
    write(store, draft("a", state=NotificationState.DROPPED, error="shadow"))
    assert claim(store) == []
    assert row_of(store, "a").error == "shadow"


# -- claiming ----------------------------------------------------------------------------------------------


def test_the_most_urgent_and_then_the_oldest_go_first(store: OperationalStore) -> None:
    write(
        store, draft("info", severity=Severity.INFO), draft("late", severity=Severity.CRITICAL, due=NOW),
        draft("early", severity=Severity.CRITICAL, due=NOW - timedelta(minutes=1)),
        draft("error", severity=Severity.ERROR), draft("future", due=NOW + timedelta(seconds=1)),
    )  # fmt: skip
    assert keys(claim(store, Lane("hook", width=10))) == ["early", "late", "error", "info"]
    assert keys(claim(store, Lane("hook", width=10), at=NOW + timedelta(seconds=1))) == ["future"]


def test_none_of_a_line_overtakes_another(store: OperationalStore) -> None:
    write(
        store, draft("fires", thread="t"), draft("resolves", thread="t", severity=Severity.CRITICAL),
        draft("to another", thread="t", recipient="ann"), draft("elsewhere", "mail", thread="t"),
        draft("loose 1", thread=""), draft("loose 2", thread=""),
    )  # fmt: skip
    lane = Lane("hook", width=10)
    first = claim(store, lane)
    assert set(keys(first)) == {"fires", "to another", "loose 1", "loose 2"}
    assert claim(store, lane) == []
    finish(store, failed(first[keys(first).index("fires")], due=NOW + timedelta(seconds=9)))
    assert claim(store, lane) == [], "the first waits to be tried again, so the second waits too"
    (again,) = claim(store, lane, at=NOW + timedelta(seconds=9))
    finish(store, sent(again))
    assert keys(claim(store, lane)) == ["resolves"]


@pytest.mark.parametrize("end", [dead, sent])
def test_a_line_goes_on_when_its_first_is_over(store: OperationalStore, end) -> None:
    write(store, draft("fires", thread="t"), draft("resolves", thread="t"))
    finish(store, end(claim(store)[0]))
    assert keys(claim(store)) == ["resolves"]


def test_a_channel_with_thousands_waiting_holds_nobody_up(store: OperationalStore) -> None:
    write(store, *(draft(f"dead {n}", "dead", severity=Severity.CRITICAL) for n in range(2000)))
    write(store, *(draft(f"{name}", name, severity=Severity.INFO) for name in ("mail", "hook", "sms")))
    assert [each.channel for each in claim(store, limit=6)].count("dead") == 3
    assert keys(claim(store, Lane("dead", busy=4), Lane("mail"), Lane("hook"), Lane("sms"))) == []


def test_a_blocked_channel_waits_and_a_failing_one_is_probed(store: OperationalStore) -> None:
    write(store, *(draft(f"{channel} {n}", channel) for channel in ("blocked", "failing") for n in range(5)))
    until = int((NOW + timedelta(seconds=20)).timestamp() * 1_000_000)
    with store.write() as connection:
        save_channels(
            connection, [ChannelState("blocked", blocked_until=until), ChannelState("failing", failures=3)]
        )  # fmt: skip
    with store.read() as connection:
        assert outbox.due_count(connection, NOW) == 5, "those of the blocked channel do not count"
    (probe,) = claim(store)
    assert probe.channel == "failing"
    assert len([each for each in claim(store, at=NOW + timedelta(seconds=20)) if each.channel == "blocked"]) == 4


def test_a_failing_channel_is_probed_with_what_was_tried_least(store: OperationalStore) -> None:
    write(store, draft("a"), draft("b"))
    with store.write() as connection:
        save_channels(connection, [ChannelState("hook", failures=5)])
    (probe,) = claim(store)
    assert probe.key == "a"
    finish(store, failed(probe))
    assert keys(claim(store, at=NOW + timedelta(seconds=20))) == ["b"]


def test_two_claimers_at_once_share_nothing(store: OperationalStore) -> None:
    write(store, *(draft(f"k{n}") for n in range(200)))
    other = OperationalStore.open(store.url, NOW)

    def take(which: OperationalStore, worker: str) -> list[int]:
        return [each.id for _ in range(25) for each in claim(which, Lane("hook"), worker=worker)]

    with ThreadPoolExecutor(2) as pool:
        taken = [pool.submit(take, store, "one"), pool.submit(take, other, "two")]
        one, two = (each.result() for each in taken)
    other.close()
    assert not set(one) & set(two)
    assert len(one) + len(two) == 200


def test_a_lease_that_ends_is_an_interrupted_attempt(store: OperationalStore) -> None:
    (notification,) = write(store, draft("a"))
    assert claim(store, worker="gone") != []
    assert claim(store, at=NOW + timedelta(seconds=29)) == []
    assert claim(store, at=NOW + LEASE, take_over=False) == []
    assert claim(store, at=NOW + LEASE, holding=[notification]) == []
    (again,) = claim(store, worker="heir", at=NOW + LEASE)
    assert (again.key, again.attempts) == ("a", 2)
    assert outcomes_of(store, notification) == ["interrupted"]


def test_an_unknown_channel_is_left_alone_for_a_while(store: OperationalStore) -> None:
    write(store, draft("a"))
    lane = Lane("hook", patience=timedelta(minutes=5))
    assert claim(store, lane, at=NOW + timedelta(minutes=4)) == []
    assert keys(claim(store, lane, at=NOW + timedelta(minutes=5))) == ["a"]


def test_a_digest_goes_out_when_it_is_due_and_gathers_until_then(store: OperationalStore) -> None:
    due = NOW + timedelta(seconds=10)
    write(store, draft("d", thread="t", due=due, state=NotificationState.COLLECTING, alert_ids=(1,)))
    with store.write() as connection:
        found = outbox.collecting(connection, "hook", "", "t")
        assert found is not None and found[1] == "{}"
        assert outbox.gather(connection, found[0], "more", Severity.CRITICAL, [1, 2])
        assert outbox.open_count(connection) == 0
    assert claim(store) == []
    write(store, draft("after", thread="t"))
    assert keys(claim(store)) == ["after"], "a digest that gathers holds nothing up"
    (digest,) = claim(store, at=due)
    assert (digest.message, digest.severity) == ("more", Severity.CRITICAL)
    with store.write() as connection:
        assert not outbox.gather(connection, digest.id, "too late", Severity.INFO, [3])
        assert outbox.collecting(connection, "hook", "", "t") is None


# -- what came of it -----------------------------------------------------------------------------------------


def test_sent_is_written_down_with_its_attempt(store: OperationalStore) -> None:
    (notification,) = write(store, draft("a"))
    (ours,) = claim(store)
    assert finish(store, sent(ours, code=202, duration_ms=12.5)) == {notification}
    row = row_of(store, "a")
    assert (row.state, row.attempts, row.leased_by, row.error) == ("sent", 1, None, "")
    with store.read() as connection:
        kept = connection.execute(select(attempts)).one()
        assert outbox.next_due(connection) is None
    assert (kept.outcome, kept.code, kept.duration_ms, kept.worker) == ("sent", 202, 12.5, "me")


def test_only_the_holder_of_the_lease_decides_but_sent_is_sent(store: OperationalStore) -> None:
    write(store, draft("a"))
    (slow,) = claim(store, worker="slow")
    (heir,) = claim(store, worker="heir", at=NOW + LEASE)
    assert finish(store, dead(slow), worker="slow") == set()
    assert row_of(store, "a").leased_by == "heir"
    assert finish(store, sent(slow), worker="slow") == {slow.id}
    assert finish(store, failed(heir), worker="heir") == set()
    assert row_of(store, "a").state == "sent"
    assert outcomes_of(store, slow.id) == ["interrupted", "rejected", "sent", "failed"]


def test_throttling_uses_up_no_attempt_and_blocks_the_channel(store: OperationalStore) -> None:
    write(store, draft("a"))
    (ours,) = claim(store)
    until = NOW + timedelta(minutes=2)
    finish(store, failed(ours, due=until, blocked_until=until, counts=False))
    assert row_of(store, "a").attempts == 0
    write(store, draft("b"))
    assert claim(store, at=until - timedelta(seconds=1)) == []
    assert set(keys(claim(store, at=until))) == {"a", "b"}


def test_a_channel_rests_after_failures_in_a_row_until_it_works(store: OperationalStore) -> None:
    write(store, *(draft(f"k{n}") for n in range(12)))
    finish(store, *(failed(each, due=NOW + timedelta(hours=1)) for each in claim(store)))
    with store.read() as connection:
        state = channels_by_name(connection)["hook"]
    assert (state.failures, state.error) == (4, "refused")
    assert claim(store, at=NOW + timedelta(milliseconds=900)) == []
    (probe,) = claim(store, at=NOW + timedelta(seconds=20))
    finish(store, sent(probe), at=NOW + timedelta(seconds=20))
    assert len(claim(store, at=NOW + timedelta(seconds=20))) == 4


def test_rejections_do_not_rest_a_channel(store: OperationalStore) -> None:
    write(store, *(draft(f"k{n}") for n in range(12)))
    finish(store, *(dead(each) for each in claim(store)))
    assert len(claim(store)) == 1, "but it is tried with one at a time"
    with store.read() as connection:
        assert channels_by_name(connection)["hook"].blocked_until is None


def test_references_of_a_thread_live_until_it_is_over(store: OperationalStore) -> None:
    write(store, *(draft(key, thread="t") for key in "abcd"))
    (first,) = claim(store)
    assert first.reference is None
    finish(store, sent(first, reference={"ts": "1.5"}))
    (second,) = claim(store)
    assert second.reference == {"ts": "1.5"}
    finish(store, sent(second))
    (third,) = claim(store)
    assert third.reference == {"ts": "1.5"}
    finish(store, sent(third, ends_thread=True, reference={"ts": "9"}))
    (fourth,) = claim(store)
    assert fourth.reference is None
    finish(store, sent(fourth, reference={"ts": "2"}))
    with store.write() as connection:
        assert forget_references(connection, NOW + timedelta(days=1)) == 1


# -- rate limits ---------------------------------------------------------------------------------------------


def test_a_rate_limit_holds_back_what_is_too_much(store: OperationalStore) -> None:
    write(store, *(draft(f"k{n}") for n in range(10)))
    lane = Lane("hook", width=100, rate=(3, timedelta(minutes=1)))
    assert len(claim(store, lane)) == 3
    assert claim(store, lane, at=NOW + timedelta(seconds=59)) == []
    with store.read() as connection:
        assert outbox.due_count(connection, NOW + timedelta(seconds=1)) == 0
    assert len(claim(store, lane, at=NOW + timedelta(seconds=61))) == 3


@given(
    messages=st.integers(1, 250),
    per_s=st.integers(1, 60),
    steps=st.lists(st.tuples(st.integers(0, 20_000_000), st.integers(0, 80)), max_size=40),
)
def test_no_stretch_of_time_has_more_messages_than_allowed(messages, per_s, steps) -> None:
    state, now, log, per = ChannelState("x"), 1_000_000_000, [], per_s * 1_000_000
    for wait, wanted in steps:
        now += wait
        taken = min(wanted, state.allowance(messages, per, now))
        state = state.counted(taken, messages, per, now) if taken else state
        log += [now] * taken
    log.sort()
    assert all(log[n + messages] - log[n] >= per for n in range(len(log) - messages))
    later = now + 3 * per
    assert state.allowance(messages, per, later) == messages, "and all of it is free again afterwards"
    assert all(one <= two for one, two in pairwise(log))


def test_a_clock_set_back_frees_a_rate_limit_and_a_block() -> None:
    now = 10**15
    full = ChannelState("x").counted(5, 5, 60_000_000, now)
    assert full.allowance(5, 60_000_000, now) == 0
    assert full.allowance(5, 60_000_000, now - 3600 * 10**6) == 5
    blocked = ChannelState("x", blocked_until=now)
    assert blocked.waits_until(now - 1) == now
    assert blocked.waits_until(now - int(LONGEST_BLOCK.total_seconds() * 10**6) - 1) is None


# -- dead letters, by hand, by the clock ---------------------------------------------------------------------


def test_dead_letters_are_listed_and_replayed_under_the_same_key(store: OperationalStore) -> None:
    ids = write(store, *(draft(key) for key in "abc"))
    for each in claim(store):
        finish(store, dead(each) if each.key != "c" else sent(each))
    write(store, draft("fallback of a", "mail", fallback_for=ids[0]))
    with store.write() as connection:
        found = outbox.dead_letters(connection, NOW - timedelta(seconds=1))
        assert [(each.id, each.fell_back, each.error) for each in found] == [
            (ids[0], True, "no such address"), (ids[1], False, "no such address"),
        ]  # fmt: skip
        assert outbox.dead_letters(connection, NOW + timedelta(seconds=1)) == []
        assert outbox.replay(connection, ids, NOW) == ids[:2]
    assert {each.key: each.attempts for each in claim(store) if each.channel == "hook"} == {"a": 1, "b": 1}
    assert row_of(store, "a").error == ""


def test_what_is_due_counts_where_nobody_sees_to_it(store: OperationalStore) -> None:
    write(store, *(draft(f"{channel} {n}", channel) for channel in ("busy", "idle") for n in range(3)))
    claim(store, Lane("busy", width=1))
    with store.read() as connection:
        assert outbox.due_count(connection, NOW - timedelta(seconds=1)) == 0
        assert outbox.due_count(connection, NOW) == 3
        assert outbox.due_count(connection, NOW + LEASE) == 6, "whoever was busy there is no more"


def test_what_nobody_is_sending_can_be_dropped(store: OperationalStore) -> None:
    ids = write(store, draft("a"), draft("b", due=NOW + timedelta(days=1)))
    claim(store)
    with store.write() as connection:
        assert outbox.drop(connection, ids, "by ann") == [ids[1]]
    assert row_of(store, "b").error == "by ann"


def test_chains_of_fallbacks_are_followed_back(store: OperationalStore) -> None:
    (one,) = write(store, draft("1", "a"))
    (two,) = write(store, draft("2", "b", fallback_for=one))
    with store.write() as connection:
        assert sending.channels_before(connection, two) == ["b", "a"]
        connection.execute(update(notifications).where(notifications.c.id == one).values(fallback_for=two))
        assert set(sending.channels_before(connection, two)) == {"a", "b"}


def test_what_is_stuck_is_found_once(store: OperationalStore) -> None:
    ids = write(
        store, draft("tried", severity=Severity.ERROR), draft("minor"), draft("fresh", severity=Severity.CRITICAL),
        draft("elsewhere", "mail", severity=Severity.CRITICAL),
    )  # fmt: skip
    with store.write() as connection:
        connection.execute(update(notifications).where(notifications.c.key == "tried").values(attempts=3, error="no"))

    def stuck(at: datetime) -> list[tuple[str, str]]:
        with store.read() as connection:
            found = sending.stuck(
                connection, at, ["hook"], [Severity.ERROR, Severity.CRITICAL], tried=3,
                older_than=timedelta(seconds=15),
            )  # fmt: skip
        return [(claimed.key, error) for claimed, error in found]

    assert stuck(NOW) == [("tried", "no")]
    assert stuck(NOW + timedelta(seconds=15)) == [("tried", "no"), ("fresh", "")]
    write(store, draft("instead", "mail", fallback_for=ids[0]))
    assert stuck(NOW) == []


def test_a_clock_set_back_leaves_nothing_waiting_for_it(store: OperationalStore) -> None:
    hours, later = timedelta(hours=2), NOW + timedelta(hours=2)
    write(store, draft("at once", due=later), draft("tomorrow", due=later + timedelta(days=1)), at=later)
    write(store, draft("again", "mail", due=later), draft("under way", "sms", due=later), at=later)
    (retried,) = claim(store, Lane("mail"), at=later)
    finish(store, failed(retried, due=later + timedelta(seconds=4)), at=later)
    claim(store, Lane("sms"), worker="alive", at=later)
    for _ in range(2):  # two workers may notice
        with store.write() as connection:
            sending.shift_back(connection, hours, NOW, lease=LEASE)
    assert {each.key for each in claim(store, at=NOW + timedelta(seconds=5))} == {"at once", "again"}
    assert keys(claim(store, at=NOW + LEASE, holding=[])) == ["under way"]
    assert row_of(store, "tomorrow").due == int((later + timedelta(days=1)).timestamp() * 1e6)


def test_what_is_over_is_forgotten_in_time(store: OperationalStore) -> None:
    write(store, *(draft(key, alert_ids=(1,)) for key in "abc"))
    finish(store, *(sent(each) for each in claim(store, Lane("hook", width=2))))
    with store.write() as connection:
        assert outbox.expire(connection, NOW) == 0
        assert outbox.expire(connection, NOW + timedelta(days=1), limit=1) == 1
        assert outbox.expire(connection, NOW + timedelta(days=1)) == 1
        assert connection.execute(select(attempts)).all() == []
        assert [row.key for row in connection.execute(select(notifications))] == ["c"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # PostgreSQL plans by statistics
def test_the_indexes_are_used(store: OperationalStore) -> None:
    """A claim must cost what is open, not what was ever sent."""
    seen: list[str] = []
    from sqlalchemy import event

    write(store, draft("a"))
    event.listen(store.engine, "before_cursor_execute", lambda c, cur, sql, params, ctx, many: seen.append(sql))
    claim(store, take_over=False)
    query = next(sql for sql in seen if "earlier" in sql)
    with store.engine.connect() as connection:
        count = query.count("?")
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + query, (1,) * count).all()
    text = " ".join(str(step[-1]) for step in plan)
    assert "notifications_due" in text and "notifications_line" in text, text

"""Who is told: whoever the route names now hears what is new, whoever was told hears how it goes on and ends.

So a person who was called by an escalation, or whose turn has ended since, still learns that it is over; and
nobody hears of the end of something that never reached him.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.owed import Owed
from monitoring_pipeline.alerting.people.recipients import Recipient, Resolved, look_up
from monitoring_pipeline.alerting.stage import Batch, Bundle, Letter, Place, Verdict, Why
from monitoring_pipeline.store import outbox
from monitoring_pipeline.store.groups import Group
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.overrides import list_overrides
from monitoring_pipeline.store.told import Told, told_of

__all__ = ["address"]


def address(batch: Batch) -> None:
    """Writes a letter for each recipient of each bundle."""
    if not batch.bundles:
        return
    book, post = _Book(batch), _Posted(batch)
    for key, bundle in batch.bundles.items():
        reached = book.of(batch.groups[key], bundle)
        if Why(bundle.why).is_news or batch.withheld(bundle) is not None:
            _tell_news(batch, bundle, reached)
        else:
            _tell_the_told(batch, bundle, reached.recipients, post)


def _tell_news(batch: Batch, bundle: Bundle, reached: Resolved) -> None:
    for problem in reached.problems:
        detail = f"{problem.target}: {problem.detail}"
        batch.decide(bundle.alerts, "address", Verdict.UNREACHABLE, detail)
    if not reached.recipients:
        batch.decide(bundle.alerts, "address", Verdict.NOBODY, "its route reaches nobody")
    batch.letters += [Letter(bundle, each, batch.now) for each in reached.recipients]


class _Book:
    """Whom routes reach now, looked up once per route and owner."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._overrides = list_overrides(batch.connection, since=batch.now)
        self._known: dict[tuple[str, tuple[str, ...]], Resolved] = {}

    def of(self, group: Group, bundle: Bundle) -> Resolved:
        spec = self._batch.world.routes.get(group.route)
        if spec is None:
            return Resolved()
        owners: tuple[str, ...] = ()
        if spec.notify_owner:
            owners = tuple(sorted({self._batch.world.source_of(alert).owner for alert in bundle.alerts} - {""}))
        if (group.route, owners) not in self._known:
            targets = [*spec.notify, *(f"team:{owner}" for owner in owners)]
            plan = self._batch.world.plan
            self._known[group.route, owners] = look_up(targets, plan, "", self._overrides, self._batch.now)
        return self._known[group.route, owners]


# -- how it goes on ----------------------------------------------------------------------------------


class _Posted:
    """Notifications about the alerts whose going on is told now, by thread; digests are of no thread.

    A digest that still gathers has told nobody anything: `recall` keeps it true.
    """

    def __init__(self, batch: Batch) -> None:
        going_on = [each for each in batch.bundles.values() if not Why(each.why).is_news]
        self.about = told_of(batch.connection, {alert.id for bundle in going_on for alert in bundle.alerts})
        self._by_thread: dict[str, list[Told]] = defaultdict(list)
        self._digests: list[Told] = []
        for told in self.about:
            gathers = told.state is NotificationState.COLLECTING and told.is_held(batch.now)
            if told.state is not NotificationState.DEAD and not gathers:
                (self._digests if told.kind == Kind.DIGEST else self._by_thread[told.thread]).append(told)
        threads = {bundle.thread for bundle in going_on}
        self.owed = Owed(batch, [told for told in batch.held if told.thread in threads])

    def by_place(self, bundle: Bundle, recipients: Sequence[Recipient]) -> dict[Place, list[Told]]:
        """What was told of a bundle's alerts, by place. A digest counts where the route leads as well."""
        ids = {alert.id for alert in bundle.alerts}
        places = {(each.channel, each.address) for each in recipients}
        found: dict[Place, list[Told]] = defaultdict(list)
        for told in self._by_thread[bundle.thread]:
            found[told.place].append(told)
        for told in self._digests:
            if told.place in places and not ids.isdisjoint(self.about[told]):
                found[told.place].append(told)
        return found


def _tell_the_told(batch: Batch, bundle: Bundle, recipients: Sequence[Recipient], post: _Posted) -> None:
    known = {(each.channel, each.address): each for each in recipients}
    for place, told in post.by_place(bundle, recipients).items():
        if place[0] not in batch.world.plan.channels:
            continue
        if bundle.kind is Kind.RESOLVED and all(each.is_held(batch.now) for each in told):
            owed = post.owed.ends(told)
            if not owed:
                _take_back(batch, bundle, told)
                continue
            bundle = replace(bundle, alerts=tuple(owed))
        batch.letters.append(Letter(bundle, known.get(place) or _recipient(batch, place), batch.now))


def _take_back(batch: Batch, bundle: Bundle, waiting: Sequence[Told]) -> None:
    """Nothing has reached this recipient yet, and there is nothing to tell any more."""
    outbox.drop(batch.connection, [told.id for told in waiting], Verdict.RESOLVED_IN_QUIET_HOURS.value)
    batch.held = [told for told in batch.held if told not in waiting]
    for told in waiting:
        detail = f"notification {told.id} to {told.channel} was to wait until {told.due:%Y-%m-%d %H:%M:%S} UTC"
        batch.decide(bundle.alerts, "address", Verdict.RESOLVED_IN_QUIET_HOURS, detail, told.id)


def _recipient(batch: Batch, place: Place) -> Recipient:
    """Whose address it is that somebody else than the route's people was told at."""
    channel, address = place
    name = batch.world.plan.channels[channel].recipient_field
    people = batch.world.plan.people.items()
    person = next((key for key, each in people if address and name and getattr(each, name, "") == address), "")
    return Recipient(channel, address, person)

"""A storm becomes one digest per recipient instead of hundreds of messages.

So many messages may go out in a time, to each channel and to all of them together; what is beyond is
gathered until there is room again. The worst go out as messages of their own. What waits for the end of
quiet hours counts at that end, or everything would come at once then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from monitoring_pipeline.alerting.delivery.channel import RateLimit
from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.stage import Batch, Fold, Letter
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.told import sent_since

__all__ = ["throttle"]

_COUNTED = frozenset(kind.value for kind in Kind) - {Kind.TEST.value, Kind.DIGEST.value}


def throttle(batch: Batch) -> None:
    """Moves letters for which there is no room into digests."""
    tally = _Tally(batch)
    kept = []
    for letter in sorted(batch.letters, key=_worst_first):
        if batch.withheld(letter.bundle) is not None:
            kept.append(letter)
            continue
        room_at = tally.room_at(letter)
        if room_at is None:
            tally.count(letter)
            kept.append(letter)
        else:
            _fold(batch, letter, room_at)
    batch.letters = kept


def _worst_first(letter: Letter) -> tuple[int, bool]:
    return -letter.bundle.severity.rank, letter.bundle.kind is Kind.RESOLVED


class _Tally:
    """The messages of the last while, per channel and of all channels."""

    def __init__(self, batch: Batch) -> None:
        plan = batch.world.plan
        self._overall = plan.spec.storm_cap
        self._caps: Mapping[str, RateLimit | None] = {name: each.storm_cap for name, each in plan.channels.items()}
        caps = [cap for cap in (self._overall, *self._caps.values()) if cap is not None]
        self._moments: dict[str, list[datetime]] = defaultdict(list)
        self._all: list[datetime] = []
        if caps and batch.letters:
            # What waits until later was written at most a day or so ago; it counts when it is due.
            since = batch.now - max(cap.per for cap in caps)
            later = [(told.channel, told.due) for told in batch.held if told.created <= since and _counts(told.kind)]
            for channel, moment in [*sent_since(batch.connection, plan.channels, since, _COUNTED), *later]:
                self._add(channel, moment)

    def room_at(self, letter: Letter) -> datetime | None:
        """When there is room for it; None: now."""
        channel = letter.recipient.channel
        ends = [
            _room_at(self._caps[channel], self._moments[channel], letter.due),
            _room_at(self._overall, self._all, letter.due),
        ]
        return max((end for end in ends if end is not None), default=None)

    def count(self, letter: Letter) -> None:
        """It goes out."""
        self._add(letter.recipient.channel, letter.due)

    def _add(self, channel: str, moment: datetime) -> None:
        self._moments[channel].append(moment)
        self._all.append(moment)


def _counts(kind: str) -> bool:
    return kind in _COUNTED


def _room_at(cap: RateLimit | None, moments: Sequence[datetime], due: datetime) -> datetime | None:
    if cap is None or len(moments) < cap.messages:
        return None
    window = [moment for moment in moments if due - cap.per < moment <= due]
    if len(window) < cap.messages:
        return None
    return min(window) + cap.per


def _fold(batch: Batch, letter: Letter, room_at: datetime) -> None:
    """Into the digest that gathers already and comes in time, or into a new one."""
    later = letter.due > batch.now
    due = letter.due if later else max(room_at, batch.now + timedelta(seconds=1))
    for fold in batch.folds.values():
        if fold.recipient.channel == letter.recipient.channel and fold.recipient.address == letter.recipient.address \
                and letter.due <= fold.due <= due:  # fmt: skip
            fold.letters.append(letter)
            return
    gathers = [
        told for told in batch.held
        if told.state is NotificationState.COLLECTING and told.place == letter.place and letter.due <= told.due <= due
    ]  # fmt: skip
    digest = gathers[0] if gathers else None
    fold = Fold(letter.recipient, digest.due if digest else due, digest, [letter])
    batch.folds[letter.place, fold.due] = fold

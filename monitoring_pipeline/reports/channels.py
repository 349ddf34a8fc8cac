"""How the channels do: when each was last proven to work, what keeps it, what waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.clock import from_us_or_none
from monitoring_pipeline.store import deliveries
from monitoring_pipeline.store.channels import ChannelState, channels_by_name
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import NotificationState

__all__ = ["ChannelView", "channel_views"]

_TO_BE_SENT = (NotificationState.WAITING, NotificationState.COLLECTING, NotificationState.SENDING)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel. `failures` counts failed messages in a row, `blocked_until` is before when nothing is tried.

    `kind` is empty for one that is no longer configured while something still waits or lies dead for it.
    """

    name: str
    kind: str
    enabled: bool
    last_ok: datetime | None
    last_failed: datetime | None
    error: str
    failures: int
    tested: datetime | None
    blocked_until: datetime | None
    waiting: int
    dead: int
    self_test: timedelta | None


def channel_views(store: OperationalStore, channels: Mapping[str, Channel], now: datetime) -> list[ChannelView]:
    """All configured channels in their order, then those that only messages still know."""
    with store.read() as connection:
        known = channels_by_name(connection)
        queued = deliveries.queue_lengths(connection, [*_TO_BE_SENT, NotificationState.DEAD])
    names = [*channels, *sorted(queued.keys() - channels.keys())]
    return [_view(name, channels.get(name), known.get(name), queued.get(name, {}), now) for name in names]


def _view(
    name: str, channel: Channel | None, state: ChannelState | None, queued: Mapping[str, int], now: datetime
) -> ChannelView:
    state = state or ChannelState(name)
    blocked = from_us_or_none(state.blocked_until)
    return ChannelView(
        name, channel.kind if channel else "", channel is not None and channel.enabled, from_us_or_none(state.last_ok),
        from_us_or_none(state.last_failed), state.error, state.failures, from_us_or_none(state.tested),
        blocked if blocked is not None and blocked > now else None,
        sum(queued.get(each.value, 0) for each in _TO_BE_SENT), queued.get(NotificationState.DEAD.value, 0),
        channel.self_test if channel else None,
    )  # fmt: skip

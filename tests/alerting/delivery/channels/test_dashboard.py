"""The dashboard channel: it takes every message, because the log of notifications is what it shows."""

from __future__ import annotations

import pytest

from monitoring_pipeline.alerting.delivery.channel import Sent, channel_kinds
from monitoring_pipeline.alerting.message import Kind
from tests.alerting.delivery.channels.messages import message
from tests.alerting.delivery.channels.receiver import Receiver, sending


@pytest.mark.parametrize("kind", list(Kind))
async def test_it_takes_everything_and_sends_nothing(kind: Kind) -> None:
    channel = channel_kinds().by_name["dashboard"].model_validate({"kind": "dashboard"})
    async with Receiver() as receiver, sending() as context:
        assert await channel.send(message(kind), context) == Sent(detail="shown in the dashboard")
    assert receiver.requests == []

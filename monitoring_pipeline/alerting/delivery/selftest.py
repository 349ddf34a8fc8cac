"""Test messages that prove that a channel works: scheduled ones, and the one a person asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.clock import format_duration, to_us
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store.channels import ChannelState
from monitoring_pipeline.store.outbox import Draft

__all__ = ["selftests_due", "test_message"]

_REASON = "self_test"


def selftests_due(plan: Plan, states: Mapping[str, ChannelState], now: datetime, installation: str = "") -> list[Draft]:
    """A test for each channel that wants them and was neither proven to work nor tested for that long.

    Any message that a channel delivers proves it. The key follows from when that was, so that of several
    processes only one has it sent.
    """
    drafts = []
    for name, channel in plan.channels.items():
        if not channel.enabled or channel.self_test is None:
            continue
        state = states.get(name) or ChannelState(name)
        last = max(state.last_ok or 0, state.tested or 0)
        if last and last + channel.self_test.total_seconds() * 1_000_000 > to_us(now):
            continue
        key = hashlib.sha256(f"{_REASON} {name} {last}".encode()).hexdigest()[:40]
        note = f"It is sent when {name} delivered nothing for {format_duration(channel.self_test)}."
        message = test_message(name, key, now, installation, note)
        drafts.append(
            Draft(
                key=key, kind=Kind.TEST, reason=_REASON, channel=name, thread=message.thread,
                severity=message.severity, message=message.model_dump_json(), due=now,
            )
        )  # fmt: skip
    return drafts


def test_message(name: str, key: str, now: datetime, installation: str = "", note: str = "") -> Message:
    """What a channel is tested with."""
    return Message(
        key=key, thread=f"test:{name}", kind=Kind.TEST, reason=_REASON, severity=Severity.INFO, at=now,
        title=f"Test message to {name}: nothing is wrong", installation=installation, note=note,
    )  # fmt: skip

"""What the texts of their own that users give a channel (`Channel.templates`) make of a message.

What a template may do is the sandbox's, which values it knows is `wording.render`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.message import AlertFacts, Message

__all__ = ["of_alert", "own_text"]


def own_text(templates: Mapping[str, str], name: str, message: Message) -> str | None:
    """What the user's template of this name makes of the message, None without one. Raises Undelivered."""
    return wording.render(templates[name], message, name=name) if name in templates else None


def of_alert(message: Message, alert: AlertFacts | None) -> Message:
    """The message as it is when only one of its alerts is told."""
    return message if alert is None else message.model_copy(update={"alerts": (alert,), "more": 0})

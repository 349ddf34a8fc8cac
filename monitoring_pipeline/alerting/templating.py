"""The texts of their own that users give a channel: which there can be, and what they say of a message.

What a template may do is the sandbox's, which values it knows is `wording.render`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitoring_pipeline.alerting import wording
from monitoring_pipeline.alerting.message import AlertFacts, Message
from monitoring_pipeline.errors import nearest

__all__ = ["checked_templates", "of_alert", "own_text"]


def checked_templates(templates: Mapping[str, str], *known: str) -> Mapping[str, str]:
    """The templates, when all of them have a name that the kind knows and can be rendered. Raises ValueError."""
    for name, template in templates.items():
        if name not in known:
            typo = nearest(name, known)
            hint = f"; did you mean {typo!r}?" if typo else ""
            there = f"there is: {', '.join(known)}" if known else "this kind has no templates"
            raise ValueError(f"there is no template {name!r} here{hint}; {there}")
        try:
            wording.check_template(template)
        except ValueError as error:
            raise ValueError(f"the template {name!r}, {error}") from None
    return templates


def own_text(templates: Mapping[str, str], name: str, message: Message) -> str | None:
    """What the user's template of this name makes of the message, None without one. Raises Undelivered."""
    return wording.render(templates[name], message, name=name) if name in templates else None


def of_alert(message: Message, alert: AlertFacts | None) -> Message:
    """The message as it is when only one of its alerts is told."""
    return message if alert is None else message.model_copy(update={"alerts": (alert,), "more": 0})

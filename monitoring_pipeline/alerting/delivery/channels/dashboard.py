"""The `dashboard` channel: what is told there is in the log of notifications, which the dashboard shows."""

from __future__ import annotations

from typing import ClassVar, Literal

from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent
from monitoring_pipeline.alerting.message import Message

__all__ = ["DashboardChannel"]


class DashboardChannel(Channel):
    """Shows messages in the dashboard and the API, and sends nothing anywhere.

    Its messages are rows of the log of notifications like all others, so there is nothing that can fail.
    """

    examples: ClassVar[tuple[str, ...]] = (
        """\
board:
  kind: dashboard
""",
    )

    kind: Literal["dashboard"] = "dashboard"

    async def send(self, message: Message, context: SendContext) -> Sent:
        """Nothing to do; see `Channel.send`."""
        return Sent(detail="shown in the dashboard")

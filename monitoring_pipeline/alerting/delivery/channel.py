"""The contract of a channel kind: one pydantic model in `channels/`, its fields are its YAML.

    class WebhookChannel(Channel):
        '''Posts JSON to a URL.'''

        kind: Literal["webhook"]
        url: SecretStr

        async def send(self, message: Message, context: SendContext) -> Sent: ...

`send` answers when the provider has taken the message and raises `Undelivered` when it has not. Any other
exception counts as permanent: it is an error of ours or of a template. Retries, rate limits and fallbacks
are the outbox's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from monitoring_pipeline.alerting.message import Message
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.errors import MonitoringError
from monitoring_pipeline.kinds import Kinds, find_kinds
from monitoring_pipeline.records import Severity

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Channel", "RateLimit", "SendContext", "Sent", "SeriesOf", "Undelivered", "channel_kinds"]


class Undelivered(MonitoringError):
    """A provider did not take a message.

    `permanent` means that trying again cannot help (a wrong address, a bad credential, a body it will
    never accept). `retry_after` is what the provider asked for, in seconds; `code` its status code.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, code: int | None = None
    ) -> None:
        self.permanent = permanent
        self.retry_after = retry_after
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a provider took. `reference` is what later messages of the thread need to update it."""

    code: int | None = None
    detail: str = ""
    reference: Mapping[str, Any] = field(default_factory=dict)


class SeriesOf(Protocol):
    """Gives the values of one metric for a picture."""

    def __call__(self, source: str, metric: str, check: str) -> Sequence[tuple[datetime, float]]:
        """Its newest values (about six hours), oldest first; blocking, call it in a thread."""


@dataclass(frozen=True, slots=True)
class SendContext:
    """What a channel is given besides the message.

    `recipient` is an address of this kind (an e-mail address, a phone number, a member id), empty for the
    channel's own. `reference` is what the first message of the thread was answered with. `http` obeys the
    configured networks and has a total time limit.
    """

    now: datetime
    http: aiohttp.ClientSession
    recipient: str = ""
    reference: Mapping[str, Any] | None = None
    series: SeriesOf | None = None


class RateLimit(BaseModel):
    """At most so many messages in a time, to one channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: int = Field(ge=1, description="So many messages ...")
    per: Duration = Field(timedelta(minutes=1), description="... in this time.")


class Channel(BaseModel):
    """Fields that every channel kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    recipient_field: ClassVar[str] = ""
    """The field of a person that is an address of this kind: `email`, `phone`, `slack`; empty: it reaches no person."""
    extra: ClassVar[str | None] = None
    """The packaging extra that carries its client library."""
    examples: ClassVar[tuple[str, ...]] = ()
    """YAML of channels of this kind, for the documentation."""
    template_names: ClassVar[tuple[str, ...]] = ()
    """The texts that `templates` may replace; those named `html` are escaped."""

    kind: str
    enabled: bool = Field(True, description="Whether it sends at all; what goes to it is kept in the log.")
    minimum_severity: Severity = Field(Severity.INFO, description="Nothing below it is sent here.")
    send_resolved: bool = Field(True, description="Whether it also says that something is over.")
    timeout: Duration = Field(timedelta(seconds=10), description="How long one attempt may take.")
    attempts: int = Field(8, ge=1, le=100, description="How often it is tried before it is a dead letter.")
    rate_limit: RateLimit | None = Field(None, description="How much this channel takes; more has to wait.")
    storm_cap: RateLimit | None = Field(
        RateLimit(messages=30), description="More than this becomes one digest; null: never."
    )
    fallback: str | None = Field(None, description="The channel that is told what this one cannot deliver.")
    self_test: Duration | None = Field(None, description="How often a test message proves that it works.")
    templates: Mapping[str, str] = Field(
        default_factory=dict, description="Texts of your own (Jinja2), by the names the kind documents."
    )

    @field_validator("templates")
    @classmethod
    def _can_be_rendered(cls, templates: Mapping[str, str]) -> Mapping[str, str]:
        from monitoring_pipeline.alerting.delivery.wording import check_template

        for name, template in templates.items():
            if cls.template_names and name not in cls.template_names:
                raise ValueError(f"there is no template {name!r} here; there is: {', '.join(cls.template_names)}")
            try:
                check_template(template, html=name == "html")
            except ValueError as error:
                raise ValueError(f"the template {name!r}, {error}") from None
        return templates

    async def send(self, message: Message, context: SendContext) -> Sent:
        """Hands the message to the provider. Raises Undelivered."""
        raise NotImplementedError


def channel_kinds() -> Kinds[Channel]:
    """Every kind of channel, third-party ones (entry points `monitoring_pipeline.channels`) included."""
    return find_kinds("monitoring_pipeline.alerting.delivery.channels", Channel, "monitoring_pipeline.channels")

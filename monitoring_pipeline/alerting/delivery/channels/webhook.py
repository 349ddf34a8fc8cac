"""The `webhook` channel: a signed JSON document, or a text of your own, to any URL."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.delivery.posting import SecretUrl, as_json, post
from monitoring_pipeline.alerting.delivery.templating import own_text
from monitoring_pipeline.alerting.message import Message

__all__ = ["WebhookChannel"]

_JSON = "application/json"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset(
    {
        "connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding",
        "x-signature", "x-timestamp",
    }
)  # fmt: skip


class WebhookChannel(Channel):
    """Sends each message to a URL as one JSON document.

    The document has the keys `version` (1), `key`, `thread`, `kind` (firing, resolved, acknowledged, reminder,
    escalation, digest, test), `reason`, `title`, `severity`, `at`, `installation`, `level`, `note`, `url`,
    `alerts` and `more`, how many alerts were left out of these (at most fifty). Each alert has `id`, `rule`,
    `source`, `name`, `check`, `component`, `owner`, `severity`, `state`, `summary`, `text`, `value`, `unit`,
    `metric`, `threshold`, `expected`, `started`, `fired`, `resolved`, `acknowledged_by`, `count`, `flapping`,
    `affects`, `last_change`, `description`, `runbook`, `labels`, `url` and `acknowledge_url`. Times are ISO 8601
    in UTC. Keys may be added within version 1; none changes its meaning or goes.

    The header `Idempotency-Key` is the message's key, percent-encoded, the same at every attempt: whoever has
    seen it before can ignore the request. With `secret`, `X-Signature: sha256=HEX` is the HMAC-SHA256 of the
    text `TIMESTAMP.BODY`, where TIMESTAMP is the header `X-Timestamp` (seconds since 1970) and BODY are the
    bytes of the body. To verify: compute it over the header, a dot and the body as it came, before it is
    parsed; compare in constant time; refuse timestamps that are more than some minutes off.

        expected = hmac.new(secret, timestamp + b"." + body, hashlib.sha256).hexdigest()
        hmac.compare_digest("sha256=" + expected, signature)

    Templates: `body`, the whole body. It has to be JSON, unless `content_type` says that it is something else;
    the filter `tojson` writes a value as JSON.
    """

    template_names: ClassVar[tuple[str, ...]] = ("body",)
    examples: ClassVar[tuple[str, ...]] = (
        """\
hook:
  kind: webhook
  url: ${ALERT_WEBHOOK_URL}
  secret: ${ALERT_WEBHOOK_SECRET}
  headers: {Authorization: "Bearer ${ALERT_WEBHOOK_TOKEN}"}
""",
        """\
chat-of-our-own:
  kind: webhook
  url: https://chat.example.com/hooks/data
  templates:
    body: '{"text": {{ text | tojson }}}'
""",
    )

    kind: Literal["webhook"] = "webhook"
    url: SecretUrl = Field(description="Where it is sent.")
    method: Literal["POST", "PUT"] = "POST"
    headers: Mapping[str, SecretStr] = Field(default_factory=dict, description="Request headers; values stay secret.")
    secret: SecretStr | None = Field(None, description="Key of the signature; without one nothing is signed.")
    content_type: str = Field("", description="Type of the body that templates.body makes, when it is not JSON.")

    @field_validator("headers")
    @classmethod
    def _headers_are_lines(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header")
            if name.lower() in _OURS:
                hint = ": use content_type" if name.lower() == "content-type" else ""
                raise ValueError(f"the header {name} is set by the channel itself{hint}")
            if _CONTROL.search(value.get_secret_value()):
                raise ValueError(f"the header {name} holds a line break or another control character")
        return headers

    @field_validator("secret")
    @classmethod
    def _has_a_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not secret.get_secret_value():
            raise ValueError("the secret is empty: give one, or leave it out")
        return secret

    @field_validator("content_type")
    @classmethod
    def _type_is_a_line(cls, content_type: str) -> str:
        if content_type and ("/" not in content_type or not content_type.isascii() or not content_type.isprintable()):
            raise ValueError("a content type is written like text/plain; charset=utf-8")
        return content_type

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One request; see `Channel.send`."""
        body = self._body(message)
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        headers |= {"Content-Type": self.content_type or _JSON, "Idempotency-Key": quote(message.key, errors="replace")}
        headers |= self._signature(body, int(context.now.timestamp()))
        secret = (self.secret.get_secret_value(),) if self.secret else ()
        url = self.url.get_secret_value()
        answer = await post(
            context, url, body=body, headers=headers, what="the webhook", method=self.method, secrets=secret
        )
        return Sent(code=answer.code)

    def _signature(self, body: bytes, timestamp: int) -> dict[str, str]:
        if self.secret is None:
            return {}
        signed = hmac.new(self.secret.get_secret_value().encode(), b"%d.%b" % (timestamp, body), hashlib.sha256)
        return {"X-Timestamp": str(timestamp), "X-Signature": f"sha256={signed.hexdigest()}"}

    def _body(self, message: Message) -> bytes:
        text = own_text(self.templates, "body", message)
        if text is None:
            return as_json(_document(message))
        if not self.content_type:
            _require_json(text)
        return text.encode(errors="replace")


def _document(message: Message) -> dict[str, Any]:
    return {"version": 1, **message.model_dump(mode="json")}


def _require_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        told = f"templates.body did not make JSON{where}; write values with tojson, or say content_type"
        raise Undelivered(told, permanent=True) from None

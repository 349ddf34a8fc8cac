"""The `sms` channel: a short text to a phone, by Twilio's API or one that is like it."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.delivery.posting import Answer, BaseUrl, post
from monitoring_pipeline.alerting.message import Message

__all__ = ["SmsChannel", "gsm"]

_SHOWN = 200
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_WRITTEN = re.compile(r"[\s().-]")
_HOPELESS = frozenset(range(400, 500)) - {408, 425, 429}
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
_PLAIN = {
    "`": "'", "\u00b4": "'", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
    "\u00ab": '"', "\u00bb": '"', "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00b7": "-", "\u2022": "-",
    "\u2026": "...", "\u00d7": "x", "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u2192": "->",
    "\u00b5": "u", "\u03bc": "u", "\u00b0": " deg ", "\t": " ", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
}  # fmt: skip


def _number(text: str) -> str:
    number = _WRITTEN.sub("", text)
    if text and not _NUMBER.fullmatch(number):
        raise ValueError(f"{text!r} is not a phone number with its country, such as +4930123456")
    return number


PhoneNumber = Annotated[str, AfterValidator(_number)]


class SmsChannel(Channel):
    """Sends text messages through Twilio, or a provider with the same API (`base_url`).

    It reaches the number in `to`, and persons by their `phone`: one message each, so that trying again repeats
    nothing for others. To reach several numbers, name several persons. Texts are cut to `max_length` and kept
    to the letters of GSM where they can be, because any other letter halves what fits into a text message.

    Twilio has no promise against duplicates: a process that is killed between its answer and our record
    sends again.

    Templates: `text`.
    """

    recipient_field: ClassVar[str] = "phone"
    template_names: ClassVar[tuple[str, ...]] = ("text",)
    examples: ClassVar[tuple[str, ...]] = (
        """\
sms:
  kind: sms
  account_sid: ${TWILIO_ACCOUNT_SID}
  auth_token: ${TWILIO_AUTH_TOKEN}
  sender: "+4930123456"
  minimum_severity: critical
  rate_limit: {messages: 10, per: 1m}
""",
    )

    kind: Literal["sms"] = "sms"
    account_sid: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Account SID, which begins with AC.")
    auth_token: SecretStr = Field(description="Auth token of the account.", min_length=1)
    sender: str = Field(
        "",
        pattern=r"^[A-Za-z0-9 +:._-]{0,64}$",
        description="Number or name it comes from; or a messaging_service_sid.",
    )
    messaging_service_sid: str = Field(
        "", pattern=r"^[A-Za-z0-9]{0,64}$", description="Messaging service that chooses the sender."
    )
    to: PhoneNumber = Field("", description="Number that gets everything the channel is told; or name persons.")
    max_length: int = Field(320, ge=70, le=1600, description="Longest text, in characters.")
    base_url: BaseUrl = Field("https://api.twilio.com", description="Where the API is.")

    @model_validator(mode="after")
    def _has_one_sender(self) -> SmsChannel:
        if bool(self.sender) == bool(self.messaging_service_sid):
            raise ValueError("give exactly one of sender and messaging_service_sid")
        return self

    async def send(self, message: Message, context: SendContext) -> Sent:
        """One text message; see `Channel.send`."""
        form = {"To": self._recipient(context), "Body": self._text(message)}
        form |= {"From": self.sender} if self.sender else {"MessagingServiceSid": self.messaging_service_sid}
        answer = await post(
            context,
            f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}/Messages.json",
            data=form,
            headers={"I-Twilio-Idempotency-Token": message.key},
            auth=(self.account_sid, self.auth_token.get_secret_value()),
            what="Twilio",
            accept=_HOPELESS,
        )
        return self._judged(answer)

    def _recipient(self, context: SendContext) -> str:
        try:
            number = _number(context.recipient or self.to)
        except ValueError as error:
            raise Undelivered(str(error), permanent=True) from None
        if not number:
            raise Undelivered("there is nobody to send to: give `to`, or a person with a `phone`", permanent=True)
        return number

    def _text(self, message: Message) -> str:
        if "text" not in self.templates:
            return gsm(wording.short(message, self.max_length), self.max_length)
        own = gsm(wording.render(self.templates["text"], message, name="text").strip(), self.max_length)
        if not own:
            raise Undelivered("the template 'text' makes an empty text", permanent=True)
        return own

    def _judged(self, answer: Answer) -> Sent:
        read = answer.json()
        facts: dict[str, Any] = read if isinstance(read, dict) else {}
        reason = wording.one_line(str(facts.get("message") or facts.get("error_message") or ""), _SHOWN)
        number = facts.get("code") or facts.get("error_code")
        known = ": ".join(part for part in (f"error {number}" if number else "", reason) if part)
        if answer.code == 401:
            raise Undelivered("Twilio did not accept account_sid and auth_token", permanent=True, code=401)
        if answer.code >= 400:
            told = f"Twilio answered {answer.code}: {known or 'it does not say why'}"
            raise Undelivered(told, permanent=True, code=answer.code)
        if facts.get("status") in ("failed", "undelivered", "canceled"):
            raise Undelivered(f"Twilio could not send: {known or facts['status']}", permanent=True, code=answer.code)
        sid = wording.one_line(str(facts.get("sid") or ""), 64)
        return Sent(code=answer.code, detail=f"message {sid}" if sid else "", reference={"sid": sid} if sid else {})


def gsm(text: str, limit: int) -> str:
    """The text in the letters of GSM 03.38 where it has such, and at most `limit` characters.

    Accents and typographic signs are replaced; letters of other scripts stay.
    """
    plain = "".join(_plain(each) for each in text)
    return plain if len(plain) <= limit else plain[: limit - 3].rstrip() + "..."


def _plain(each: str) -> str:
    if each in _BASIC:
        return each
    if each in _PLAIN:
        return _PLAIN[each]
    category = unicodedata.category(each)
    if category[0] == "C":
        return ""
    base = "".join(part for part in unicodedata.normalize("NFKD", each) if not unicodedata.combining(part))
    return base if base and all(part in _BASIC for part in base) else each

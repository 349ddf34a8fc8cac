"""One HTTP request of a channel and what its answer means: taken, worth another try, or hopeless.

Every channel that speaks HTTP sends through `post`, so that a 429 is the same thing everywhere. What is in
the body is the channel's; how often and when something is tried again is the outbox's.
"""

from __future__ import annotations

import base64
import json as jsonlib
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, SecretStr

from monitoring_pipeline.alerting.delivery.channel import SendContext, Undelivered
from monitoring_pipeline.errors import NetworkDenied

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Answer", "BaseUrl", "SecretUrl", "as_json", "post", "retry_after"]

_READ = 64 * 1024
_SHOWN = 200
_LONGEST_WAIT = 3600.0
_TRY_AGAIN = frozenset({408, 425, 429})
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BREAKS = re.compile(r"[\x00-\x20\x7f]")
_OPEN_HEADERS = frozenset({"accept", "content-type", "user-agent"})
_SECRET_FROM = 4
_USER_AGENT = "monitoring-pipeline"


def _is_absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not _BREAKS.search(url)


def _secret_url(url: SecretStr) -> SecretStr:
    if not _is_absolute(url.get_secret_value()):
        raise ValueError("an absolute http:// or https:// address is needed")
    return url


def _base_url(url: str) -> str:
    if not _is_absolute(url):
        raise ValueError("an absolute http:// or https:// address is needed")
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an address without credentials, query and fragment is needed")
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""The address that a provider's paths are put behind; it is no secret and ends in no slash."""

SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
"""An address whose path or query lets whoever knows it send."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered with; `text` is at most the first 64 KB. Names of `headers` are in lower case."""

    code: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The text as JSON; None when it is none."""
        try:
            return jsonlib.loads(self.text)
        except ValueError:
            return None


async def post(
    context: SendContext,
    url: str,
    *,
    json: Any = None,
    data: Mapping[str, str] | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    what: str,
    method: str = "POST",
    accept: Collection[int] = (),
    secrets: Iterable[str] = (),
    url_is_secret: bool = True,
) -> Answer:
    """Sends `json`, a form (`data`) or bytes (`body`) and gives the answer, when its code is 2xx or in `accept`.

    `what` names the provider in errors, such as "Slack". `auth` is a user and a password. `secrets` are
    texts in the body that no error may repeat; headers, and the URL's path and query where these are secret,
    are kept out of errors anyway.

    Raises Undelivered: permanent for codes 4xx other than 408, 425 and 429, for a redirect (none is
    followed), an untrusted certificate, a forbidden network and an unusable URL; else transient, with
    what Retry-After asked for, at most an hour.
    """
    sent = _headers(headers, auth, json is not None)
    hidden = _Hidden.of(sent, [*secrets, *(auth or ()), *(_url_secrets(url) if url_is_secret else ())])
    try:
        request = context.http.request(
            method,
            url,
            data=as_json(json) if json is not None else _form(data) if data is not None else body,
            headers=sent,
            allow_redirects=False,
        )
        async with request as response:
            answer = Answer(response.status, await _text(response), _lower(response.headers))
    except Exception as error:
        raise _unreached(error, what, url, hidden) from None
    if 200 <= answer.code < 300 or answer.code in accept:
        return answer
    raise _refused(answer, what, context.now, hidden)


def as_json(value: Any) -> bytes:
    """UTF-8 of compact JSON. Numbers that JSON has no word for become null, half characters question marks."""
    return jsonlib.dumps(_finite(value), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _form(data: Mapping[str, str]) -> dict[str, str]:
    return {name: value.encode(errors="replace").decode() for name, value in data.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


def _headers(headers: Mapping[str, str] | None, auth: tuple[str, str] | None, is_json: bool) -> dict[str, str]:
    sent = {"User-Agent": _USER_AGENT}
    if is_json:
        sent["Content-Type"] = "application/json"
    if auth is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    for name, value in (headers or {}).items():
        for own in [own for own in sent if own.lower() == name.lower()]:
            del sent[own]
        sent[name] = value
    return sent


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _text(response: aiohttp.ClientResponse) -> str:
    """As much of the body as is read. One that breaks off changes nothing: the code has been given."""
    import aiohttp

    read = bytearray()
    try:
        while len(read) < _READ and (chunk := await response.content.read(_READ - len(read))):
            read += chunk
    except (aiohttp.ClientError, TimeoutError, OSError):
        response.close()
    return read.decode(errors="replace")


class _Hidden:
    """Takes out of a text what nobody may read in it: providers repeat what they did not like."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SECRET_FROM}, key=len, reverse=True)

    @classmethod
    def of(cls, headers: Mapping[str, str], secrets: Iterable[str]) -> _Hidden:
        """Hides `secrets` and what headers hold."""
        values = [value for name, value in headers.items() if name.lower() not in _OPEN_HEADERS]
        credentials = [value.partition(" ")[2] for value in values]
        return cls([*secrets, *values, *credentials])

    def show(self, text: str, length: int = _SHOWN) -> str:
        """The begin of a text on one line."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = " ".join(_UNPRINTABLE.sub(" ", text[: 4 * length]).split())
        return text if len(text) <= length else text[: length - 3] + "..."


def _url_secrets(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        yield url
        return
    found = [url, parts.path, parts.path.lstrip("/"), parts.query, parts.fragment, parts.username, parts.password]
    found += parts.path.split("/") + [value.partition("=")[2] for value in parts.query.split("&")]
    for part in found:
        if part:
            yield from (part, unquote(part), quote(part))


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "its address"


def _refused(answer: Answer, what: str, now: datetime, hidden: _Hidden) -> Undelivered:
    shown = hidden.show(answer.text)
    told = f"{what} answered {answer.code}" + (f": {shown}" if shown else "")
    if 300 <= answer.code < 400:
        told = f"{what} answered {answer.code}, a redirect, and none is followed: configure the address it leads to"
    if answer.code in _TRY_AGAIN or answer.code >= 500:
        return Undelivered(told, retry_after=retry_after(answer, now), code=answer.code)
    return Undelivered(told, permanent=True, code=answer.code)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds that Retry-After asks to wait, at most an hour; None without one.

    A date counts from the provider's own clock, where the answer tells it.
    """
    asked = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked):
        return min(float(asked), _LONGEST_WAIT)
    until = _date(asked)
    if until is None:
        return None
    seconds = (until - (_date(answer.headers.get("date", "")) or now)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _date(text: str) -> datetime | None:
    """An HTTP date; None for anything else and for one without a time zone."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo is not None else None


def _unreached(error: Exception, what: str, url: str, hidden: _Hidden) -> Undelivered:
    """Why there is no answer. Texts of URL errors repeat the URL and are left out."""
    import aiohttp

    where = hidden.show(_host(url))
    for cause in _causes(error):
        if isinstance(cause, NetworkDenied):
            return Undelivered(f"{what} may not be reached: {hidden.show(str(cause))}", permanent=True)
        if isinstance(cause, aiohttp.ClientConnectorCertificateError):
            reason = hidden.show(str(cause.certificate_error))
            return Undelivered(f"{what}: the certificate of {where} is not trusted: {reason}", permanent=True)
        if isinstance(cause, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
            return Undelivered(f"{what}: its address is not one that can be sent to", permanent=True)
    if isinstance(error, TimeoutError):
        return Undelivered(f"{what} did not answer in time ({where})")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Undelivered(f"{what}: the name {where} cannot be looked up")
    if isinstance(error, aiohttp.ClientError | OSError):
        return Undelivered(f"{what} cannot be reached at {where}: {hidden.show(_reason(error))}")
    reason = hidden.show(str(error))
    return Undelivered(f"{what} cannot be asked: {type(error).__name__}: {reason}", permanent=True)


def _reason(error: Exception) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number) if number else str(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message
    return str(error) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__

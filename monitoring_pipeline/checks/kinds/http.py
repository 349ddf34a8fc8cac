"""The `http` check: one request, its answer and the time of every phase of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Literal
from urllib.parse import urljoin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.checks.condition import Condition
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.certificates import read_certificate
from monitoring_pipeline.reach.connection import Phases, tls_context
from monitoring_pipeline.reach.http_exchange import Answer, Target, decoded, exchange, request_bytes, target_of

__all__ = ["HttpAuth", "HttpCheck"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SNIPPET = 200


class HttpAuth(BaseModel):
    """Credentials: `username` and `password`, or `bearer` with a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str | None = None
    password: SecretStr | None = None
    bearer: SecretStr | None = None

    @model_validator(mode="after")
    def _one_way(self) -> HttpAuth:
        if (self.username is not None) == (self.bearer is not None) or (self.password and self.username is None):
            raise ValueError("auth is either username and password, or bearer")
        return self

    def header(self) -> str:
        """The value of the Authorization header."""
        import base64

        if self.bearer is not None:
            return f"Bearer {self.bearer.get_secret_value()}"
        password = self.password.get_secret_value() if self.password is not None else ""
        return "Basic " + base64.b64encode(f"{self.username}:{password}".encode()).decode()


class HttpCheck(Check):
    """Sends one HTTP request over a connection of its own and judges the answer.

    Values: `status`, `response_time_ms` and its phases `dns_ms` (absent for an IP address),
    `connect_ms`, `tls_ms` (https only) and `first_byte_ms` (from the request sent to the first byte);
    phases of redirects add up. `body_bytes`, `body_truncated`, `redirects`, `url` (the last one),
    `days_left` of the certificate (https only); `headers` by lower-case name; `body` as text and
    `json`, parsed, when a condition names them.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "response_time_ms": "ms",
        "dns_ms": "ms",
        "connect_ms": "ms",
        "tls_ms": "ms",
        "first_byte_ms": "ms",
        "body_bytes": "bytes",
        "days_left": "days",
    }
    default_conditions: ClassVar[tuple[str, ...]] = ("status < 400",)

    kind: Literal["http"] = "http"
    url: str = Field(description="An absolute http:// or https:// address.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: Mapping[str, SecretStr] = Field(default_factory=dict, description="Request headers; values stay secret.")
    auth: HttpAuth | None = Field(None, description="username and password, or bearer.")
    body: str | None = Field(None, description="The request's body as text.")
    json_body: Any = Field(None, alias="json", description="The request's body as JSON; sets its content type.")
    follow_redirects: bool = True
    max_redirects: int = Field(5, ge=0, le=20, description="Redirects followed before it counts as a failure.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")
    max_body: int = Field(1_048_576, ge=0, le=16 * 1_048_576, description="Bytes of the body that are read at most.")

    @field_validator("url")
    @classmethod
    def _url_is_absolute(cls, url: str) -> str:
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("credentials do not belong into the URL: use auth")
        target_of(url)
        return url

    @field_validator("headers")
    @classmethod
    def _headers_are_lines(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header")
            if _CONTROL.search(value.get_secret_value()):
                raise ValueError(f"the header {name} holds a line break or another control character")
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> HttpCheck:
        if self.body is not None and self.json_body is not None:
            raise ValueError("give the request either a body or json, not both")
        return self

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        import httptools  # noqa: F401 - brought in

        if self.url.startswith("https"):
            from cryptography import x509  # noqa: F401 - brought in

            tls_context(self.verify, self.ca_file)

    async def probe(self, context: ProbeContext) -> Probe:
        """One exchange, and one more for each redirect followed."""
        phases = Phases()
        begun = perf_counter()
        try:
            answer, target, redirects = await self._follow(context, phases)
        except SourceFailure as failure:
            failure.values.update(phases.values())
            raise
        values: dict[str, Any] = {"status": answer.status, "response_time_ms": (perf_counter() - begun) * 1000}
        values.update(phases.values())
        values["body_bytes"] = answer.body_bytes
        values["redirects"] = redirects
        if answer.certificate is not None:
            with suppress(ValueError):
                values["days_left"] = read_certificate(answer.certificate).days_left(context.now)
        warnings = self._add_content(values, answer, target)
        return Probe(values, details=self._details(answer, target, redirects, phases), warnings=warnings)

    @cached_property
    def _first(self) -> tuple[Target, bytes]:
        target = target_of(self.url)
        return target, request_bytes(self.method, target, self._request_headers, self._payload)

    @cached_property
    def _payload(self) -> bytes:
        if self.json_body is not None:
            return json.dumps(self.json_body).encode()
        return (self.body or "").encode()

    @cached_property
    def _request_headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} if self.json_body is not None else {}
        if self.auth is not None:
            headers["Authorization"] = self.auth.header()
        return headers | {name: value.get_secret_value() for name, value in self.headers.items()}

    @cached_property
    def _wanted(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names that any condition uses, and those that critical conditions use."""
        return _names_in(self.critical_conditions(), self.warning_conditions())

    async def _follow(self, context: ProbeContext, phases: Phases) -> tuple[Answer, Target, int]:
        target, request = self._first
        method, seen = self.method, {(self.method, target)}
        for redirects in range(self.max_redirects + 1):
            tls = tls_context(self.verify, self.ca_file) if target.scheme == "https" else None
            answer = await exchange(
                context, target, request, phases=phases, tls=tls, head_only=method == "HEAD", limit=self.max_body
            )
            location = answer.header("location") if answer.status in _REDIRECTS and self.follow_redirects else ""
            if not location:
                return answer, target, redirects
            target = _next_target(target, location)
            method, request = self._redirected(method, answer.status, target)
            if (method, target) in seen:
                raise SourceFailure(
                    f"redirect loop: {target} comes round again after {redirects + 1} redirects", reached=True
                )
            seen.add((method, target))
        raise SourceFailure(f"more than {self.max_redirects} redirects, the last one to {target}", reached=True)

    def _redirected(self, method: Any, status: int, target: Target) -> tuple[Any, bytes]:
        """The method and the request after a redirect, by the rules of RFC 9110 and of browsers.

        Headers the user gave may be credentials, so only the origin they were meant for sees them.
        """
        to_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")
        method = "GET" if to_get else method
        headers = self._request_headers
        if target.origin != self._first[0].origin:
            headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
        if to_get:
            headers = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
        return method, request_bytes(method, target, headers, b"" if to_get else self._payload)

    def _add_content(self, values: dict[str, Any], answer: Answer, target: Target) -> tuple[str, ...]:
        """Adds what costs something only if a condition names it; returns warnings."""
        wanted, critical = self._wanted
        if "headers" in wanted:
            values["headers"] = answer.headers()
        if "url" in wanted:
            values["url"] = str(target)
        warnings: tuple[str, ...] = ()
        if "body" in wanted or "json" in wanted:
            content = decoded(answer, self.max_body)
            if "body" in wanted:
                values["body"] = _text(answer, content)
            if "json" in wanted:
                try:
                    values["json"] = self._parsed(answer, content, target)
                except SourceFailure as failure:
                    if "json" in critical:
                        failure.values.update(values)
                        raise
                    warnings = (str(failure),)
        if "body_truncated" in wanted:
            values["body_truncated"] = answer.truncated
        return warnings

    def _parsed(self, answer: Answer, content: bytes, target: Target) -> Any:
        if answer.truncated:
            raise CheckError(f"the body is longer than max_body ({self.max_body} bytes), too long to be read as JSON")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            begin = _text(answer, content[:_SNIPPET])[:60]
            shown = f"begins with {begin!r}" if begin else "is empty"
            raise SourceFailure(
                f"{target.where} answered {answer.status} with a body that is not JSON: it {shown}",
                reached=True,
            ) from None

    def _details(self, answer: Answer, target: Target, redirects: int, phases: Phases) -> dict[str, Any]:
        details: dict[str, Any] = {"address": phases.address}
        if redirects:
            details["redirected_to"] = str(target)
        if answer.truncated:
            details["body_truncated"] = True
        if answer.status >= 400 and answer.body and not answer.header("content-encoding"):
            details["body"] = _text(answer, answer.body[:_SNIPPET])
        return details


@lru_cache(maxsize=4096)
def _names_in(critical: tuple[Condition, ...], warning: tuple[Condition, ...]) -> tuple[frozenset[str], frozenset[str]]:
    # Many checks have the same conditions, and most are made but once in a process.
    needed = frozenset(name for condition in critical for name in condition.names)
    return needed | {name for condition in warning for name in condition.names}, needed


def _next_target(target: Target, location: str) -> Target:
    url = urljoin(f"{target.scheme}://{target.where}{target.path}", location)
    try:
        return target_of(url)
    except ValueError:
        shown = url.partition("?")[0][:100]
        raise SourceFailure(
            f"{target.where} redirects to {shown!r}, which is no http or https address", reached=True
        ) from None


def _text(answer: Answer, content: bytes) -> str:
    charset = re.search(r"charset=\"?([\w.:-]+)", answer.header("content-type"), re.IGNORECASE)
    try:
        return content.decode(charset[1] if charset else "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        return content.decode("utf-8", errors="replace")

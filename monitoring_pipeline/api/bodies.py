"""What requests that change something carry: small JSON documents, or the fields of our own forms."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import HTTPException, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.clock import Duration, parse_duration
from monitoring_pipeline.records import Reclassified

__all__ = [
    "Acknowledgement",
    "Correction",
    "Maintenance",
    "Muting",
    "Remark",
    "Revocation",
    "described",
    "read",
    "read_bytes",
]

ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST_BYTES = 64_000
_CENTURY = timedelta(days=36_500)
_TOO_LONG = "it must be longer than nothing and shorter than a century"
_FORM = "application/x-www-form-urlencoded"


def _clean(text: str) -> str:
    # PostgreSQL keeps no NUL in a text.
    return text.replace("\0", "").strip()


def _aware(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 3000:
        raise ValueError("it must lie between 1970 and 3000")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _lasting(value: Any) -> Any:
    if value in (None, ""):  # an empty field of a form was not filled in
        return None
    try:
        duration = value if isinstance(value, timedelta) else parse_duration(value)
    except OverflowError:
        raise ValueError(_TOO_LONG) from None
    if not timedelta(0) < duration <= _CENTURY:
        raise ValueError(_TOO_LONG)
    return duration


Name = Annotated[str, Field(max_length=200), AfterValidator(_clean)]
Line = Annotated[str, Field(max_length=10_000), AfterValidator(_clean)]
Moment = Annotated[datetime, AfterValidator(_aware)]
Lasting = Annotated[Duration | None, BeforeValidator(_lasting)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    by: Name = Field("", description="Who does it; by default the API.")


class Remark(_Body):
    """What to keep with it."""

    note: Line = Field("", description="What to keep with the alert.")


class Acknowledgement(Remark):
    """Somebody works on it."""

    lasting: Lasting = Field(None, alias="for", description="How long it lasts, such as 2h; else until the alert ends.")
    until: Moment | None = Field(None, description="When it ends, ISO 8601; UTC where it names no time zone.")
    token: str = Field("", description="The signature of a link in a message.")


class Maintenance(_Body):
    """Sources that may be away for a while. Without an end it lasts until somebody ends it."""

    matchers: Matcher = Field(description="Which ones: source, component, tag, owner.")
    reason: Line = Field(description="Why.")
    starts: Moment | None = Field(None, description="When it begins; now by default.")
    ends: Moment | None = Field(None, description="When it ends.")
    lasting: Lasting = Field(None, alias="for", description="How long it lasts, instead of `ends`.")

    def end(self, now: datetime) -> datetime | None:
        """When it ends."""
        return self.ends if self.lasting is None else (self.starts or now) + self.lasting


class Muting(Maintenance):
    """Alerts that are not told for a while. It needs an end."""

    matchers: Matcher = Field(description="Which ones: source, component, tag, owner, check, rule, severity, labels.")


class Revocation(_Body):
    """Why a correction is taken back."""

    reason: Line = Field(description="Why; it stays in the ledger for good.")


class Correction(Revocation):
    """What a past period of a source is to count as."""

    source: Name = Field(description="Id of the source.")
    start: Moment = Field(alias="from", description="When the period begins, ISO 8601.")
    end: Moment = Field(alias="to", description="When it ends.")
    as_: Reclassified = Field(alias="as", description="What it is to count as.")
    objective: Name = Field("", description="Only for this objective; by default for all.")


async def read(request: Request, model: type[ModelT], most: int = _MOST_BYTES) -> ModelT:
    """The body as `model`. Raises 413 for one that is too large, 422 for one that is not right."""
    body = await read_bytes(request, most)
    try:
        return model.model_validate(_fields(body, request.headers.get("content-type", "")))
    except ValidationError as error:
        told = "; ".join(_told(each) for each in error.errors())
        raise HTTPException(422, told) from None
    except (ValueError, RecursionError):
        raise HTTPException(422, "the body is no JSON object") from None


def _fields(body: bytes, content_type: str) -> dict[str, Any]:
    # curl -d calls whatever it sends a form.
    if content_type.partition(";")[0].strip().lower() == _FORM and not body.lstrip().startswith(b"{"):
        return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
    found = json.loads(body) if body.strip() else {}
    if isinstance(found, dict):
        return found
    raise ValueError("a JSON object is expected")


def _told(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


async def read_bytes(request: Request, most: int = _MOST_BYTES) -> bytes:
    """The body. Raises 413 for one that is larger than `most` bytes."""
    kept = bytearray()
    async for chunk in request.stream():
        kept.extend(chunk)
        if len(kept) > most:
            raise HTTPException(413, f"the body is larger than {most} bytes")
    return bytes(kept)


def described(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads this model by hand."""
    schema = model.model_json_schema()
    body = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"content": {"application/json": {"schema": body}}}}


def _inlined(schema: Any, known: dict[str, Any]) -> Any:
    """The schema without references, which would lead nowhere in the API's description."""
    if isinstance(schema, list):
        return [_inlined(each, known) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    rest = {key: _inlined(value, known) for key, value in schema.items() if key != "$ref"}
    return {**_inlined(known[name], known), **rest} if name else rest

"""What collectors send: attempts as JSON, each judged by itself so that one bad one spoils no others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import HTTPException
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from monitoring_pipeline.records import CollectionAttempt, CollectionCheck

__all__ = ["MOST_ATTEMPTS", "Attempt", "Batch", "Rejection", "Taken", "attempts_of"]

MOST_ATTEMPTS = 1_000
_MOST_ERROR = 2_000


def _clean(text: str) -> str:
    # PostgreSQL keeps no NUL in a text.
    return text.replace("\0", "").strip()


def _cut(value: Any) -> Any:
    # Half a character, as JSON may spell one, cannot be written down.
    return value[:_MOST_ERROR].encode(errors="replace").decode() if isinstance(value, str) else value


def _aware(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 3000:
        raise ValueError("it must lie between 1970 and 3000")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Name = Annotated[str, Field(max_length=200), AfterValidator(_clean)]
Text = Annotated[str, Field(max_length=200), AfterValidator(_clean)]
Moment = Annotated[datetime, AfterValidator(_aware)]
Amount = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]


class Attempt(BaseModel):
    """One attempt of a collector. Fields of newer clients that this server does not know are passed over."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {"collector": "orders-loader", "source": "orders-db", "success": True, "rows": 1200, "quality": 99.5}
            ]
        },
    )

    collector: Annotated[Name, Field(min_length=1, description="Who collected.")]
    success: bool = Field(description="Whether it went well.")
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{8,64}$")] | None = Field(
        None,
        description="Its identity: reported again under the same key it is the same attempt. By default a new one.",
    )
    source: Name = Field("", description="What it read from; by default the source declared for the collector.")
    check_type: CollectionCheck | None = Field(
        None, description="Which part of collecting it tells of; else all of it."
    )
    started: Moment | None = Field(None, description="When it began, ISO 8601.")
    finished: Moment | None = Field(None, description="When it ended; now by default, and never later.")
    duration_ms: Amount | None = Field(None, description="How long it took; by default from `started` to `finished`.")
    rows: Amount | None = Field(None, description="How many rows it brought.")
    bytes: Amount | None = Field(None, description="How many bytes it brought.")
    quality: Annotated[float, Field(ge=0, le=100)] | None = Field(None, description="How good the data was, 0 to 100.")
    error: Annotated[str, AfterValidator(_clean), BeforeValidator(_cut)] = Field("", description="What went wrong.")
    tags: dict[Text, Text] = Field({}, max_length=20, description="What else there is to know.")

    def as_record(self, source_of: Callable[[str], str], now: datetime) -> CollectionAttempt:
        """What is kept of it."""
        at = min(self.finished or now, now)
        duration_ms = self.duration_ms
        if duration_ms is None and self.started is not None:
            # Both are of one clock, which need not be ours; what ended before it began took nobody knows how long.
            lasted = ((self.finished or now) - self.started) / timedelta(milliseconds=1)
            duration_ms = lasted if lasted >= 0 else None
        return CollectionAttempt(
            self.key or os.urandom(16).hex(), self.collector, self.source or source_of(self.collector), self.success,
            at, now, self.check_type, self.rows, self.bytes, duration_ms, self.quality, self.error, self.tags,
        )  # fmt: skip


class Rejection(BaseModel):
    """An attempt that cannot be kept."""

    index: int = Field(description="its place in what was sent, from 0")
    problem: str


class Taken(BaseModel):
    """What became of what was sent."""

    accepted: int = Field(description="attempts that are kept now")
    duplicates: int = Field(description="attempts that were kept already")
    rejected: list[Rejection] = Field(description="attempts that can never be kept, and why")


@dataclass(frozen=True, slots=True)
class Batch:
    """The attempts of one request, and which of it are none."""

    attempts: list[CollectionAttempt]
    rejected: list[Rejection]


_MANY: TypeAdapter[list[Attempt]] = TypeAdapter(list[Attempt])


def attempts_of(body: bytes, source_of: Callable[[str], str], now: datetime) -> Batch:
    """What one request carries: an attempt, or a list of them.

    Raises 422 for what is neither, and when not one of them can be kept; 413 for more than a thousand.
    """
    given = _parsed(body)
    found, rejected = _checked(given)
    if given and not found:
        raise HTTPException(422, f"attempt {rejected[0].index}: {rejected[0].problem}")
    return Batch([attempt.as_record(source_of, now) for attempt in found], rejected)


def _parsed(body: bytes) -> list[Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(422, "the body is no JSON") from None
    given = [given] if isinstance(given, dict) else given
    if not isinstance(given, list):
        raise HTTPException(422, "the body is neither an attempt nor a list of them")
    if len(given) > MOST_ATTEMPTS:
        raise HTTPException(413, f"at most {MOST_ATTEMPTS} attempts at once")
    return given


def _checked(given: list[Any]) -> tuple[list[Attempt], list[Rejection]]:
    try:
        return _MANY.validate_python(given), []
    except ValidationError as error:
        problems: dict[int, str] = {}
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            place, *inside = each["loc"]
            told = f"{'.'.join(map(str, inside))}: " if inside else ""
            problems.setdefault(int(place), f"{told}{each['msg'].removeprefix('Value error, ')}")
    good = _MANY.validate_python([each for index, each in enumerate(given) if index not in problems])
    return good, [Rejection(index=index, problem=problem) for index, problem in sorted(problems.items())]

"""What all routes share: the opened Monitoring, the snapshots and the answers to failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from monitoring_pipeline.api.answers import Failure
from monitoring_pipeline.api.snapshots import Face, Snapshots
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.errors import StoreError

__all__ = ["STORE_ERRORS", "Room", "answer", "failures", "store_problem"]

STORE_ERRORS = (StoreError, SQLAlchemyError, OSError)
"""What reading or writing the operational store raises."""


@dataclass(frozen=True, slots=True)
class Room:
    """What all routes share."""

    monitoring: Monitoring
    snapshots: Snapshots


def store_problem(monitoring: Monitoring, error: BaseException) -> str:
    """A failure of the store in one line, without secrets and without the SQL."""
    cause = getattr(error, "orig", None) or error
    line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return monitoring.config.redact(f"the operational store cannot be used: {line}")


def failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these codes and a Failure."""
    return {code: {"model": Failure} for code in codes}


def answer(request: Request, face: Face, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """A face, compressed when the asker takes it so; 304 without a body when the asker has it already."""
    head = {"ETag": face.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
    if face.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=head)
    if face.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(face.packed, media_type=media_type, headers={**head, "Content-Encoding": "gzip"})
    return Response(face.body, media_type=media_type, headers=head)

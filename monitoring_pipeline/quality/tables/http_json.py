"""What an HTTP API answers with: a JSON document that holds a list of records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.quality.table import Desk, Opened, Table, quoted
from monitoring_pipeline.quality.tables.reading import NOTHING
from monitoring_pipeline.reach.connection import Phases, tls_context
from monitoring_pipeline.reach.http_exchange import Answer, decoded, exchange, request_bytes, target_of

__all__ = ["HttpJsonTable"]


class HttpJsonTable(Table):
    """The records of one JSON answer: a list of objects, or a list somewhere inside of it.

    Redirects are not followed, so that headers with credentials reach nobody else.
    """

    examples: ClassVar[tuple[str, ...]] = (
        """
kind: http_json
url: https://api.example.com/orders?limit=1000
headers: {Authorization: "Bearer ${ORDERS_TOKEN}"}
records: data.items
""",
    )

    kind: Literal["http_json"]
    url: str = Field(description="An absolute http:// or https:// address.")
    headers: Mapping[str, SecretStr] = Field(default_factory=dict, description="Request headers; values stay secret.")
    records: str = Field("", description="Where the list is, such as data.items; by default the answer itself.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    max_mb: int = Field(256, ge=1, le=4096, description="A larger answer is an error.")

    @field_validator("url")
    @classmethod
    def _url_is_absolute(cls, url: str) -> str:
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("credentials do not belong into the URL: use headers")
        target_of(url)
        return url

    def open(self, desk: Desk) -> Opened:
        """Asks once. Raises SourceFailure for an answer that cannot be read, CheckError for one that is too large."""
        limit = self.max_mb * 1024 * 1024
        answer = asyncio.run(self._ask(desk, limit))
        body = decoded(answer, limit)
        if answer.truncated:
            raise CheckError(f"the answer is larger than max_mb ({self.max_mb})")
        if answer.status >= 300:
            raise SourceFailure(f"{target_of(self.url).where} answered {answer.status}", reached=True)
        records = self._records(body)
        if not records:
            return NOTHING
        path = desk.folder / "records.ndjson"
        with path.open("w") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
        desk.permit(path)
        return Opened(f"read_json({quoted(str(path))}, format = 'newline_delimited', sample_size = -1)")

    async def _ask(self, desk: Desk, limit: int) -> Answer:
        target = target_of(self.url)
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        headers |= {name: value.get_secret_value() for name, value in self.headers.items()}
        tls = tls_context(self.verify, None) if target.scheme == "https" else None
        request = request_bytes("GET", target, headers, b"")
        async with asyncio.timeout(desk.timeout_s):
            return await exchange(desk, target, request, phases=Phases(), tls=tls, limit=limit)

    def _records(self, body: bytes) -> list[dict[str, Any]]:
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise SourceFailure(f"{target_of(self.url).where} answered with something that is not JSON") from None
        for name in filter(None, self.records.split(".")):
            if not isinstance(found, dict) or name not in found:
                raise SourceFailure(f"the answer has no {self.records!r}")
            found = found[name]
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise SourceFailure(f"{self.records or 'the answer'} is not a list of objects")
        return found

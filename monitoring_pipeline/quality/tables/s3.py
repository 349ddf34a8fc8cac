"""Objects of a store that speaks S3: CSV, Parquet and JSON, fetched whole and read as files."""

from __future__ import annotations

import asyncio
import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.quality.table import Desk, Opened, Table
from monitoring_pipeline.quality.tables.reading import Format, ReadOptions, opened
from monitoring_pipeline.reach.connection import addresses_of
from monitoring_pipeline.reach.object_store import Bucket, address_of, check_endpoint, failure_of

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["S3Table"]

_MOST_OBJECTS = 10_000


class S3Table(Table):
    """One object of a bucket, or all that match a pattern; columns are joined by name over several.

    Credentials come from the fields or from the usual AWS environment variables; without any, requests go unsigned.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: s3, bucket: lake, key: orders/2026-*/part-*.parquet, region: eu-central-1}",
    )

    kind: Literal["s3"]
    bucket: str = Field(min_length=1, description="Name of the bucket.")
    key: str = Field(min_length=1, description="An object, or a pattern such as orders/2026-*/part-*.parquet.")
    endpoint: str | None = Field(None, description="http:// or https:// address of the store; AWS by default.")
    region: str = Field("us-east-1", description="Region of the bucket; many stores accept any.")
    access_key: SecretStr | None = Field(None, description="Access key id.")
    secret_key: SecretStr | None = Field(None, description="Secret access key.")
    session_token: SecretStr | None = Field(None, description="Token of temporary credentials.")
    format: Format | None = Field(None, description="csv, parquet or json; by default the object's name tells.")
    options: ReadOptions = Field(ReadOptions(), description="How CSV is to be read.")
    max_mb: int = Field(2048, ge=1, description="More than this is not fetched.")

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_an_address(cls, endpoint: str | None) -> str | None:
        return check_endpoint(endpoint)

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together: give both or neither")
        return self

    def open(self, desk: Desk) -> Opened:
        """Fetches the objects. Raises SourceFailure when there are none, CheckError when they are too large."""
        import obstore

        asyncio.run(_permit(desk, *address_of(self.endpoint, self.region)))
        bucket = Bucket(self.bucket, self.endpoint, self.region, self.access_key, self.secret_key, self.session_token)
        store = bucket.open(desk.timeout_s)
        try:
            paths = [
                _fetch(store, key, desk.folder / f"{number}-{Path(key).name}")
                for number, key in enumerate(self._keys(store))
            ]
        except FileNotFoundError:
            raise SourceFailure(f"bucket {self.bucket} or its object {self.key} does not exist") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise failure_of(error) from None
        return opened(desk, paths, self.format, self.options)

    def _keys(self, store: S3Store) -> Sequence[str]:
        found = self._matching(store)
        if not found:
            raise SourceFailure(f"no object of bucket {self.bucket} matches {self.key}")
        megabytes = sum(found.values()) / 1024 / 1024
        if megabytes > self.max_mb:
            raise CheckError(f"{self.key} is {megabytes:,.0f} MB, more than max_mb ({self.max_mb})")
        return sorted(found)

    def _matching(self, store: S3Store) -> Mapping[str, int]:
        """The objects meant, with their sizes."""
        import obstore

        magic = re.search(r"[*?\[]", self.key)
        if magic is None:
            return {self.key: obstore.head(store, self.key)["size"]}
        found: dict[str, int] = {}
        for page in obstore.list(store, self.key[: magic.start()].rpartition("/")[0] or None):
            found |= {meta["path"]: meta["size"] for meta in page if fnmatch.fnmatchcase(meta["path"], self.key)}
            if len(found) > _MOST_OBJECTS:
                raise CheckError(f"more than {_MOST_OBJECTS:,} objects match {self.key}")
        return found


async def _permit(desk: Desk, host: str, port: int) -> None:
    await addresses_of(desk, host, port)


def _fetch(store: S3Store, key: str, path: Path) -> str:
    import obstore

    with path.open("wb") as file:
        for block in obstore.get(store, key).stream(min_chunk_size=8 * 1024 * 1024):
            file.write(block)
    return str(path)

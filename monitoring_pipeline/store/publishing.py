"""Publishes the warehouse: a copy that readers may hold open as long as they like.

The copy replaces the one before in one step; who has the old one open keeps it. Nobody who reads
can delay the writer, and the writer never disturbs who reads.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.warehouse import opened, origin, watermarks, writer_lock

__all__ = ["Published", "publish"]

_CANNOT_COPY_HERE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Published:
    """One published copy: where, how large, how long it took, and up to which hot rows it reaches."""

    path: Path
    bytes: int
    seconds: float
    watermarks: Mapping[str, int]


def publish(store: OperationalStore, warehouse_path: Path, published_path: Path, now: datetime) -> Published:
    """Puts a copy of the warehouse in place and notes its watermarks in the operational store.

    Killed at any step it leaves the old copy or the new one, never half of one; the next call
    removes what was left over. Raises StoreError when another process keeps the warehouse open, or
    when the copy cannot be written; the old copy stays.
    """
    began = time.perf_counter()
    store_id = marks.store_id(store)
    with writer_lock(warehouse_path):
        reached = _checkpoint(warehouse_path, store_id, now)
        try:
            _replace(warehouse_path, published_path)
        except OSError as error:
            raise StoreError(f"cannot publish the warehouse to {published_path}: {error}") from error
        # After the swap: rows may expire once this is written, so the copy must be there.
        with store.write() as connection:
            marks.mark_published(connection, reached)
    return Published(published_path, published_path.stat().st_size, time.perf_counter() - began, reached)


def _checkpoint(path: Path, store_id: str, now: datetime) -> dict[str, int]:
    """Brings all of the warehouse into its one file; returns what it has of this store's rows."""
    with opened(path, now) as warehouse:
        warehouse.execute("CHECKPOINT")
        # The watermarks of another operational store would let rows expire that were never loaded.
        return watermarks(warehouse) if origin(warehouse) == store_id else {}


def _replace(warehouse_path: Path, published_path: Path) -> None:
    published_path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in published_path.parent.glob(f".{published_path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)
    temporary = published_path.with_name(f".{published_path.name}.{os.getpid()}.tmp")
    try:
        _copy(warehouse_path, temporary)
        _swap(temporary, published_path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copies and makes durable; where the file system can, both files share their blocks."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
                pass
        except OSError as error:
            if error.errno not in _CANNOT_COPY_HERE:
                raise
            reader.seek(0)
            writer.truncate(0)
            writer.seek(0)
            shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())


def _swap(temporary: Path, published_path: Path) -> None:
    temporary.replace(published_path)
    folder = os.open(published_path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

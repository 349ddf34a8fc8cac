"""What was learnt, written down now and then: the arrays of a scorer, and up to which sample they reach.

A file is a line of JSON that says what lies where, and then the arrays as they are in memory. So it need not be read:
it is mapped, and only the pages that are looked at are ever loaded. A tick looks at one slot of the day.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitoring_pipeline.store import blobs
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["Checkpoint", "Checkpoints", "FileCheckpoints", "SharedCheckpoints"]

log = structlog.get_logger(__name__)
_FORMAT = "busta-scoring 1"
_ALIGNED = 64
_NAME = "scoring"
# So many samples of each series: with one a minute, that is every quarter of an hour.
_SHARED_EVERY = 45


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A scorer's arrays after sample `id` and event `event` of the store `store_id`."""

    store_id: str
    id: int
    event: int
    generation: int
    arrays: Mapping[str, NDArray[Any]]


class Checkpoints(Protocol):
    """Where they are kept. Who writes inside a transaction of the operational store hands over its connection."""

    def read(self) -> Checkpoint | None:
        """The newest; None where there is none that can be used."""

    def read_head(self) -> tuple[str, int, int] | None:
        """The store, the generation and the sample of the newest, without its arrays."""

    def write(self, checkpoint: Checkpoint, connection: Connection | None = None) -> None:
        """Replaces it in one step. Raises OSError, or what the store raises."""


class FileCheckpoints:
    """In a file beside the stores. Who has mapped an old one keeps it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Checkpoint | None:
        try:
            with self._path.open("rb") as file:
                # Private: what is changed in memory stays there.
                return _read(file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("what was learnt cannot be read and is learnt anew", path=str(self._path), error=str(error))
            return None

    def read_head(self) -> tuple[str, int, int] | None:
        try:
            with self._path.open("rb") as file:
                head = _head(file)
                return head["store"], head["generation"], head["id"]
        except (OSError, ValueError, KeyError):
            return None

    def write(self, checkpoint: Checkpoint, connection: Connection | None = None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(file, checkpoint)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


class SharedCheckpoints:
    """In the operational store, for processes on several machines; and in a file of each machine, which is newer where
    the machine did the last work. The store's is replaced rarely: it is large."""

    def __init__(self, store: OperationalStore, path: Path) -> None:
        self._store, self._file = store, FileCheckpoints(path)

    def read(self) -> Checkpoint | None:
        mine, theirs = self._file.read_head(), self._shared_head()
        if theirs is None or (mine is not None and mine[0] == theirs[0] and mine[1:] >= theirs[1:]):
            return self._file.read()
        with self._store.read() as connection:
            data = blobs.read_blob(connection, _NAME)
        if data is None:
            return self._file.read()
        unpacked = bytearray(zlib.decompress(data))
        return _read(io.BytesIO(unpacked), unpacked)

    def read_head(self) -> tuple[str, int, int] | None:
        heads = [head for head in (self._file.read_head(), self._shared_head()) if head is not None]
        return max(heads, key=lambda head: head[1:], default=None)

    def write(self, checkpoint: Checkpoint, connection: Connection | None = None) -> None:
        self._file.write(checkpoint)
        shared, series = self._shared_head(), len(checkpoint.arrays["told.last"])
        fresh = shared is not None and shared[:2] == (checkpoint.store_id, checkpoint.generation)
        if shared is not None and fresh and checkpoint.id - shared[2] < _SHARED_EVERY * series:
            return
        file = io.BytesIO()
        _write(file, checkpoint)
        data = zlib.compress(file.getbuffer(), 1)
        head = json.dumps([checkpoint.store_id, checkpoint.generation, checkpoint.id])
        with contextlib.nullcontext(connection) if connection is not None else self._store.write() as open_connection:
            blobs.write_blob(open_connection, _NAME, data, head)

    def _shared_head(self) -> tuple[str, int, int] | None:
        with self._store.read() as connection:
            head = blobs.read_head(connection, _NAME)
        return None if head is None else tuple(json.loads(head))


def _read(file: BinaryIO, data: bytearray | mmap.mmap) -> Checkpoint:
    head = _head(file)
    arrays = {name: _array(data, file.tell(), *where) for name, *where in head["arrays"]}
    return Checkpoint(head["store"], head["id"], head["event"], head["generation"], arrays)


def _write(file: BinaryIO, checkpoint: Checkpoint) -> None:
    arrays = checkpoint.arrays
    head = {
        "format": _FORMAT, "store": checkpoint.store_id, "id": checkpoint.id, "event": checkpoint.event,
        "generation": checkpoint.generation, "arrays": list(_placed(arrays)),
    }  # fmt: skip
    line = json.dumps(head).encode()
    begin = len(line) + 1 + -(len(line) + 1) % _ALIGNED
    file.write(line + b" " * (begin - len(line) - 1) + b"\n")
    for (_, _, _, offset), array in zip(_placed(arrays), arrays.values(), strict=True):
        file.seek(begin + offset)
        # Row by row where there is spare room between them: a whole copy would be as large as all of it.
        parts = (array,) if array.ndim != 2 or array.flags.c_contiguous else array
        file.writelines(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data for part in parts)
    file.truncate(max(file.tell(), begin + 1))


def _placed(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str, tuple[int, ...], int]]:
    """Name, kind, shape, and how far behind the head's end each array lies."""
    offset = 0
    for name, array in arrays.items():
        yield name, array.dtype.str, array.shape, offset
        offset += array.nbytes + -array.nbytes % _ALIGNED


def _head(file: BinaryIO) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(file.readline())
    if head["format"] != _FORMAT:
        raise ValueError(f"it was written by another version ({head['format']})")
    return head


def _array(data: bytearray | mmap.mmap, begin: int, kind: str, shape: list[int], offset: int) -> NDArray[Any]:
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.zeros(shape, kind)
    return np.frombuffer(data, kind, count, begin + offset).reshape(shape)

"""Large things in the operational store that are replaced as a whole, in parts that every database takes."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from monitoring_pipeline.store.tables import blobs

__all__ = ["read_blob", "read_head", "write_blob"]

_PART_BYTES = 4_000_000


def read_head(connection: Connection, name: str) -> str | None:
    """What was said about it when it was written."""
    return connection.execute(select(blobs.c.head).where(blobs.c.name == name, blobs.c.part == 0)).scalar_one_or_none()


def read_blob(connection: Connection, name: str) -> bytes | None:
    """All of it; None where there is none."""
    query = select(blobs.c.data).where(blobs.c.name == name).order_by(blobs.c.part)
    parts = list(connection.execute(query).scalars())
    return b"".join(parts) if parts else None


def write_blob(connection: Connection, name: str, data: bytes, head: str) -> None:
    """Replaces it; `head` says in a few words what it is."""
    connection.execute(delete(blobs).where(blobs.c.name == name))
    for part, start in enumerate(range(0, max(1, len(data)), _PART_BYTES)):
        row = {"name": name, "part": part, "head": head, "data": data[start : start + _PART_BYTES]}
        connection.execute(insert(blobs).values(row))

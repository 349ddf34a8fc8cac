"""The files of `static/`, read once: style, script and icons are ours and nobody else's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from monitoring_pipeline.api.snapshots import Face

__all__ = ["ASSETS", "Asset", "assets_version"]

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file. Its URL changes with its content, so browsers may keep it for ever.

    URLs are relative, as all in our pages: a proxy may show us beneath a path of its own.
    """

    name: str
    media_type: str
    face: Face
    url: str


def _read() -> dict[str, Asset]:
    found = {}
    for file in files("monitoring_pipeline.api").joinpath("static").iterdir():
        media_type = _TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            face = Face.of(file.read_bytes())
            url = f"static/{file.name}?v={face.etag[3:11]}"
            found[file.name] = Asset(file.name, media_type, face, url)
    return found


ASSETS = _read()
"""The static files by name."""


@cache
def assets_version() -> str:
    """Changes when any of them does, so that a page left open knows to load itself again."""
    every = "".join(ASSETS[name].face.etag for name in sorted(ASSETS))
    return hashlib.blake2b(every.encode(), digest_size=6).hexdigest()

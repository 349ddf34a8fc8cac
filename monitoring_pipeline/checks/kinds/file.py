"""The `file` kind: files of this machine and what is mounted on it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from stat import S_IMODE
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.reach.files import Scan, scan
from monitoring_pipeline.reach.threads import in_thread

__all__ = ["FileCheck"]


class FileCheck(Check):
    """Looks at one file, at the files of one folder, or at all files that match a glob.

    Values: `found`, `count`, `bytes_total`, `newest_age_s`, `oldest_age_s`, `largest_bytes`,
    `smallest_bytes`, `truncated` (there are more than `max_files`), `response_time_ms`; for a single
    file also `size`, `age_s` and `mode` (such as "0644"). Ages count from the last change of the
    content.

    Nothing found is critical unless conditions say otherwise. A folder that may not be read is
    unknown: the files may be there. A mount that hangs runs into the time-out, which is critical.
    """

    kind: Literal["file"]
    path: str = Field(min_length=1, description="A file, a folder, or a glob such as /data/in/**/*.csv.")
    max_files: int = Field(10_000, ge=1, le=1_000_000, description="No more files than this are looked at.")

    metrics: ClassVar[Mapping[str, str]] = {
        "count": "files",
        "bytes_total": "bytes",
        "newest_age_s": "s",
        "oldest_age_s": "s",
        "largest_bytes": "bytes",
        "smallest_bytes": "bytes",
        "size": "bytes",
        "age_s": "s",
        "response_time_ms": "ms",
    }
    default_conditions: ClassVar[tuple[str, ...]] = ("found == true",)
    remote: ClassVar[bool] = False

    @field_validator("path")
    @classmethod
    def _path_can_be_opened(cls, path: str) -> str:
        if "\0" in path:
            raise ValueError("a path cannot hold a null character")
        return path

    async def probe(self, context: ProbeContext) -> Probe:
        """See the class."""
        began = time.perf_counter()
        found = await in_thread(scan, self.path, self.max_files)
        values = _values(found, context.now.timestamp())
        values["response_time_ms"] = (time.perf_counter() - began) * 1000
        newest = max(found.files, key=lambda file: file.mtime, default=None)
        details: dict[str, Any] = {"path": self.path}
        if newest is not None:
            details["newest"] = newest.path
        return Probe(values, details=details)


def _values(found: Scan, now: float) -> dict[str, Any]:
    values: dict[str, Any] = {"found": found.exists, "count": len(found.files), "truncated": found.truncated}
    values["bytes_total"] = sum(file.size for file in found.files)
    if not found.files:
        return values
    times = [file.mtime for file in found.files]
    sizes = [file.size for file in found.files]
    values |= {"newest_age_s": now - max(times), "oldest_age_s": now - min(times)}
    values |= {"largest_bytes": max(sizes), "smallest_bytes": min(sizes)}
    if found.single:
        values |= {"size": sizes[0], "age_s": now - times[0], "mode": f"{S_IMODE(found.files[0].mode):04o}"}
    return values

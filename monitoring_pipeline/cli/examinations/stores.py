"""The folder of this installation, the operational store, the published warehouse."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from monitoring_pipeline.cli.examination import Finding, Patient, ok, problem, warning

__all__ = ["disk", "operational", "published"]

_FULL, _NEARLY_FULL = 200e6, 2e9
_STALE = timedelta(minutes=20)


def disk(patient: Patient) -> Iterator[Finding]:
    """Whether the folder can be written, and whether there is room."""
    folder = patient.directory
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield problem("folder", f"{there} may not be written by this user", f"chown it, or run as its owner: {there}")
        return
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free for {folder}"
    if free < _FULL:
        yield problem("disk space", text, "make room: nothing can be recorded on a full disk")
    elif free < _NEARLY_FULL:
        yield warning("disk space", text, "make room, or lower `retention` in the configuration")
    else:
        yield ok("disk space", text)


def operational(patient: Patient) -> Iterator[Finding]:
    """Whether the operational store answers, takes writes, and has the schema of this program."""
    from monitoring_pipeline.errors import StoreError
    from monitoring_pipeline.store import states
    from monitoring_pipeline.store.operational import OperationalStore

    if patient.config is None or patient.config.stores.operational is None:
        return
    url = patient.config.stores.operational.get_secret_value()
    if url.startswith("sqlite:///") and not os.path.exists(url.removeprefix("sqlite:///")):  # noqa: PTH110
        yield warning("operational store", "does not exist yet", "`busta up` makes it")
        return
    try:
        store = OperationalStore.open(url, patient.now)
    except StoreError as error:
        advice = "is the database running, its password right, its file yours to write?"
        yield problem("operational store", patient.config.redact(str(error)), advice)
        return
    try:
        with store.write() as connection:
            kept = len(states.check_rows(connection))
        yield ok("operational store", f"{store.dialect}, schema {store.version()}, {kept} checks, can be written")
    except Exception as error:
        text = patient.config.redact(str(getattr(error, "orig", None) or error))
        yield problem("operational store", f"cannot be written: {text}", "look at the rights of its file and folder")
    finally:
        store.close()


def published(patient: Patient) -> Iterator[Finding]:
    """Whether readers find a whole copy of the warehouse that is not too old."""
    from monitoring_pipeline.store.history import open_published

    if patient.config is None:
        return
    path = patient.config.published
    if not path.exists():
        yield warning("warehouse", "nothing is published yet", "`busta up` publishes at its start")
        return
    try:
        with open_published(path) as connection:
            rows = connection.execute("SELECT count(*) FROM results").fetchall()[0][0]
    except Exception as error:
        text = str(error).splitlines()[0]
        yield problem("warehouse", f"{path} cannot be read: {text}", "remove it; the next publish makes a new one")
        return
    stat = path.stat()
    age = patient.now - datetime.fromtimestamp(stat.st_mtime, UTC)
    text = f"{rows} results, {stat.st_size / 1e6:.1f} MB, published {_minutes(age)} ago"
    if age > _STALE:
        yield warning("warehouse", text, "a copy is published every five minutes while `busta up` runs: see its logs")
    else:
        yield ok("warehouse", text)


def _minutes(age: timedelta) -> str:
    from monitoring_pipeline.clock import format_duration

    return format_duration(timedelta(seconds=int(max(0.0, age.total_seconds()))))

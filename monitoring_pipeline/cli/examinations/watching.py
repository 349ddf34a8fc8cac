"""Whether somebody watches: `busta up` and what it runs."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from monitoring_pipeline.cli.examination import Finding, Patient, ok, problem, warning
from monitoring_pipeline.discovery.ourselves import why_taken

__all__ = ["api", "dagster", "runner", "supervisor"]

_ANSWER_S = 5.0
_START = "busta up"


def supervisor(patient: Patient) -> Iterator[Finding]:
    """Whether `busta up` runs, or left something behind when it was killed."""
    if is_up(patient.directory):
        yield ok("busta up", f"runs, as process {_supervisor_pid(patient.directory)}")
        return
    orphans = _orphans(patient.directory)
    if orphans:
        listed = ", ".join(f"{name} ({pid})" for name, pid in orphans)
        yield warning(
            "busta up", f"was killed and left running: {listed}", "start `busta up` again: it ends them, then starts"
        )
    elif (patient.directory / "up.json").exists():
        yield warning("busta up", "was killed; what it started is gone too", _START)
    else:
        yield warning("busta up", "does not run: nobody watches", _START)
    yield from _ports(patient)


def is_up(directory: Path) -> bool:
    """Whether a living `busta up` holds the lock of this installation."""
    try:
        lock = os.open(directory / "up.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _supervisor_pid(directory: Path) -> str:
    with suppress(OSError):
        return (directory / "up.lock").read_text().strip()
    return "?"


def _orphans(directory: Path) -> list[tuple[str, int]]:
    from monitoring_pipeline.cli.processes import birth

    try:
        children = json.loads((directory / "up.json").read_text())["children"]
        return [(c["name"], c["pid"]) for c in children if birth(c["pid"]) == c["birth"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _ports(patient: Patient) -> Iterator[Finding]:
    """Whether the ports that `busta up` wants are free."""
    if patient.config is None:
        return
    for what, (host, port), option in (
        ("Dagster", _dagster_address(patient), "--port-dagster"),
        ("the API", _api_address(patient), "--port-api"),
    ):
        if (why := why_taken(host, port)) is None:
            yield ok("ports", f"{port} is free for {what}")
        else:
            text = f"port {port} of {what} cannot be used: {why}"
            yield problem("ports", text, f"end what listens there, or choose another with {option}")


def _api_address(patient: Patient) -> tuple[str, int]:
    assert patient.config is not None  # noqa: S101 - asked by its callers
    api = patient.config.api
    return api.host.strip("[]"), _noted(patient, "api") or api.port


def _dagster_address(patient: Patient) -> tuple[str, int]:
    from monitoring_pipeline.cli.commands.up import dagster_port

    assert patient.config is not None  # noqa: S101 - asked by its callers
    return patient.config.api.host.strip("[]"), _noted(patient, "dagster") or dagster_port(patient.config)


def _noted(patient: Patient, what: str) -> int | None:
    """The port that the running `busta up` took, whatever the configuration says."""
    from monitoring_pipeline.cli.commands.up import ADDRESSES

    if not is_up(patient.directory):
        return None
    try:
        return int(json.loads((patient.directory / ADDRESSES).read_text())[what])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def runner(patient: Patient) -> Iterator[Finding]:
    """Whether a process serves check slots: its sign of life in the operational store."""
    from monitoring_pipeline.cli.output import local
    from monitoring_pipeline.clock import from_us, to_us
    from monitoring_pipeline.store import slots
    from monitoring_pipeline.store.operational import OperationalStore

    if patient.config is None or patient.config.stores.operational is None or not patient.directory.exists():
        return
    store = OperationalStore.open(patient.config.stores.operational.get_secret_value(), patient.now)
    try:
        with store.read() as connection:
            rows = slots.live_runners(connection, since_us=to_us(patient.now - timedelta(days=400)))
    finally:
        store.close()
    beat = max((row["heartbeat"] for row in rows), default=None)
    if beat is not None and from_us(beat) >= patient.now - timedelta(seconds=15):
        yield ok("checks", f"are served; last sign of life {local(from_us(beat))}")
    elif is_up(patient.directory):
        seen = f"since {local(from_us(beat))}" if beat is not None else "yet"
        yield problem(
            "checks", f"`busta up` runs, but no checks were served {seen}",
            f"the first begin within a minute; else see {patient.directory / 'logs'} and the runs in Dagster",
        )  # fmt: skip
    else:
        seen = f"the last were served at {local(from_us(beat))}" if beat is not None else "none were ever served"
        yield warning("checks", seen, _START)


def dagster(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster's web server answers, its daemons live and our code loads."""
    from monitoring_pipeline.clock import system_clock
    from monitoring_pipeline.discovery.trial import Trial

    if patient.config is None or not is_up(patient.directory):
        return
    host, port = _dagster_address(patient)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def ask() -> tuple[str, str]:
        async with Trial(system_clock, timedelta(seconds=_ANSWER_S)) as trial:
            return await trial.run("dagster", [{"kind": "dagster", "url": url}])

    status, message = asyncio.run(ask())
    if status == "healthy":
        yield ok("Dagster", f"answers at {url}, its daemons are alive, the code is loaded")
    else:
        advice = f"see {patient.directory / 'logs'}; it needs half a minute to start, and --no-dagster does without"
        yield problem("Dagster", f"at {url}: {message}", advice)


def api(patient: Patient) -> Iterator[Finding]:
    """Whether the API is ready."""
    if patient.config is None or not is_up(patient.directory):
        return
    host, port = _api_address(patient)
    url = f"http://[{host}]:{port}/ready" if ":" in host else f"http://{host}:{port}/ready"
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:  # noqa: S310 - our own http address
            answer.read(1000)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        yield problem("API", f"{url} does not answer: {reason}", f"see {patient.directory / 'logs' / 'api.log'}")
    else:
        yield ok("API", f"is ready at {url.removesuffix('/ready')}")

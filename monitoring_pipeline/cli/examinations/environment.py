"""Python, packages, limits, and the configuration."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from monitoring_pipeline.cli.examination import Finding, Patient, ok, problem, warning

__all__ = ["byte_code", "configuration", "open_files", "python"]

_DAGSTER = ("dagster", "dagster-webserver", "dagster-graphql")
_FILES_BESIDE = 200  # what the interpreter, the stores and the clients keep open


def python(patient: Patient) -> Iterator[Finding]:
    """The interpreter, and Dagster's packages at one version."""
    shown = ".".join(map(str, sys.version_info[:3]))
    yield ok("python", f"Python {shown} in {sys.prefix}")
    found = {name: _version(name) for name in _DAGSTER}
    missing = [name for name, number in found.items() if number is None]
    if missing:
        yield warning(
            "dagster packages", f"not installed: {', '.join(missing)}",
            "pip install 'monitoring-pipeline[dagster]', or `busta up --no-dagster`",
        )  # fmt: skip
    elif len(set(found.values())) > 1:
        listed = ", ".join(f"{name} {number}" for name, number in found.items())
        yield problem("dagster packages", f"of different versions: {listed}", "install them at one version")
    else:
        yield ok("dagster packages", f"Dagster {found['dagster']}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def byte_code(patient: Patient) -> Iterator[Finding]:
    """Whether Python may keep compiled modules: each run is a fresh process."""
    if sys.dont_write_bytecode or os.environ.get("PYTHONDONTWRITEBYTECODE"):
        yield warning(
            "byte code", "PYTHONDONTWRITEBYTECODE is set: whatever starts compiles every module anew",
            "unset PYTHONDONTWRITEBYTECODE (`busta up` does so for what it starts)",
        )  # fmt: skip
    else:
        yield ok("byte code", "is kept on disk")


def configuration(patient: Patient) -> Iterator[Finding]:
    """Whether it can be read, and whether the clients that it needs are installed."""
    from monitoring_pipeline.config import load_config
    from monitoring_pipeline.errors import ConfigError

    if not patient.path.is_file():
        yield problem("configuration", f"there is no {patient.path}", "busta init, or --config PATH")
        return
    try:
        config = load_config(patient.path)
    except ConfigError as error:
        for each in error.problems:
            yield problem("configuration", str(each), "change that line; `busta config schema` tells what is allowed")
        return
    yield ok("configuration", f"{patient.path}: {len(config.sources)} sources, {len(config.checks)} checks")
    for text in config.warnings:
        what, _, advice = text.partition(": pip install")
        yield warning("configuration", what, f"pip install{advice}" if advice else "see `busta config validate`")


def open_files(patient: Patient) -> Iterator[Finding]:
    """Whether as many probes as configured may be under way at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    concurrency = patient.config.execution.concurrency if patient.config else 200
    needed = 2 * concurrency + _FILES_BESIDE
    if soft != resource.RLIM_INFINITY and soft < needed:
        yield warning(
            "open files", f"at most {soft}, and {concurrency} probes at once may need {needed}",
            f"ulimit -n {needed} before `busta up` (the hard limit is {hard}), or lower execution.concurrency",
        )  # fmt: skip
    else:
        yield ok("open files", f"at most {soft}; {concurrency} probes at once may need {needed}")

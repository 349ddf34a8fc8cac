"""`busta up`: watches, until Ctrl-C."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import existing_config_file
from monitoring_pipeline.errors import MonitoringError

if TYPE_CHECKING:
    from rich.console import Console

    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.cli.supervisor import Installation
    from monitoring_pipeline.config import Config

__all__ = ["ADDRESSES", "dagster_port", "note_addresses", "up"]

ADDRESSES = "up.ports.json"
"""The file, in the installation's folder, with the ports of the last `busta up`."""
_DAGSTER_PORT = 3000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--port-dagster", type=click.IntRange(1, 65535), help="Port of Dagster's web UI. [default: 3000]")
@click.option("--port-api", type=click.IntRange(1, 65535), help="Port of the API. [default: api.port, 8080]")
@click.option("--no-dagster", is_flag=True, help="Run the checks here, without Dagster: no UI, no lineage.")
def up(port_dagster: int | None, port_api: int | None, *, no_dagster: bool) -> int:
    """Starts watching: checks everything once, then runs Dagster and the API until Ctrl-C.

    In a terminal it shows a live table, elsewhere a line for each change. What it started is
    restarted when it dies; changed configuration files are picked up while it runs.
    """
    path = existing_config_file()
    # The configuration of `busta init` takes its ports from here, so that it watches where we listen.
    for variable, port in (("BUSTA_DAGSTER_PORT", port_dagster), ("BUSTA_API_PORT", port_api)):
        if port is not None:
            os.environ[variable] = str(port)
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.cli import output

    monitoring = Monitoring.open(path)
    console = output.console()
    for warning in monitoring.config.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    installation = _installation(monitoring, port_dagster, port_api)
    monitoring.keep_config(installation.last_good)
    running = _Running(monitoring, installation, console, with_dagster=not no_dagster)
    try:
        running.run()
    finally:
        monitoring.close()
    return exits.OK


def _installation(monitoring: Monitoring, port_dagster: int | None, port_api: int | None) -> Installation:
    from monitoring_pipeline.cli.supervisor import Installation

    config = monitoring.config
    return Installation(
        config=config.path,
        directory=config.stores.directory,
        host=config.api.host,
        dagster_port=port_dagster or dagster_port(config),
        api_port=port_api or config.api.port,
        watched=config.files,
    )


def dagster_port(config: Config) -> int:
    """Where Dagster's web server listens: the port of `api.dagster_url` when that is this machine, else 3000."""
    return _local_port(config.api.dagster_url) or _DAGSTER_PORT


def _local_port(url: str | None) -> int | None:
    parts = urlsplit(url or "")
    return parts.port if parts.hostname in _LOOPBACK else None


def note_addresses(installation: Installation) -> None:
    """Leaves word of where we listen, for `busta doctor` in another terminal."""
    installation.directory.mkdir(parents=True, exist_ok=True)
    ports = {"dagster": installation.dagster_port, "api": installation.api_port}
    (installation.directory / ADDRESSES).write_text(json.dumps(ports))


class _Running:
    """What is shown while everything runs: the first checks, the addresses, the live table."""

    def __init__(
        self, monitoring: Monitoring, installation: Installation, console: Console, *, with_dagster: bool
    ) -> None:
        self.monitoring, self.installation, self.console = monitoring, installation, console
        self.with_dagster = with_dagster
        self._began = monitoring.clock()
        self._stop = threading.Event()
        self._ready = threading.Event()

    def run(self) -> None:
        """Runs until it is stopped. Raises MonitoringError when it cannot start."""
        self.console.print(self._opening(), soft_wrap=True)
        runner = self._runner()
        # Daemon threads: what hangs in them must not keep the process alive after everything is stopped.
        for work in (self._first_look, self._show):
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True).start()
        try:
            runner(self._announce)
        finally:
            self._stop.set()
        self._say("stopped")

    def _runner(self) -> Callable[[Callable[[], None]], None]:
        if self.with_dagster:
            from monitoring_pipeline.cli.supervisor import Supervisor

            missing = [name for name in ("dagster", "dagster_webserver") if find_spec(name) is None]
            if missing:
                raise MonitoringError(
                    f"{' and '.join(missing)} is not installed: pip install 'monitoring-pipeline[dagster]', "
                    "or watch without it: busta up --no-dagster"
                )
            return Supervisor(self.installation, say=self._say, check_config=self._check_config).run
        from monitoring_pipeline.cli.standalone import Standalone

        return Standalone(self.installation, say=self._say, check_config=self._check_config).run

    def _opening(self) -> str:
        config = self.monitoring.config
        return f"{config.name}: {len(config.sources)} sources, {len(config.checks)} checks ({config.path})"

    def _check_config(self) -> Sequence[Path]:
        from monitoring_pipeline.app import Monitoring

        fresh = Monitoring.open(self.installation.config)
        # The store stays the one that is open: its address does not change while we run.
        self.monitoring.config = fresh.config
        fresh.keep_config(self.installation.last_good)
        return fresh.config.files

    def _announce(self) -> None:
        self._ready.set()
        note_addresses(self.installation)
        host, ports = self.installation.host, self.installation
        if self.with_dagster:
            self._say(f"Dagster      http://{host}:{ports.dagster_port}")
        self._say(f"status page  http://{host}:{ports.api_port}")
        self._say("Ctrl-C stops everything")

    def _guarded(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:  # the checks go on, whatever happens to what is shown of them
            self._say(f"{work.__name__.strip('_').replace('_', ' ')}: {type(error).__name__}: {error}")

    def _first_look(self) -> None:
        """Runs every check once, at once; what looks at our own ports when they answer."""
        self.monitoring.register()
        self.monitoring.load_history()
        self.monitoring.publish_history()
        enabled = [bound for bound in self.monitoring.config.checks if bound.check.enabled]
        later = {bound.key for bound in enabled if self._looks_at_us(bound.check)}
        self.monitoring.check_now([bound.key for bound in enabled if bound.key not in later])
        while not self._ready.wait(0.2):
            if self._stop.is_set():
                return
        self.monitoring.check_now([bound.key for bound in enabled if bound.key in later])

    def _looks_at_us(self, check: Any) -> bool:
        url = getattr(check, "url", None)
        ports = (self.installation.dagster_port, self.installation.api_port)
        return isinstance(url, str) and _local_port(url) in ports

    def _show(self) -> None:
        from monitoring_pipeline.cli.live import watch

        watch(
            self.monitoring.overview, lambda overview: overview.sources, stop=self._stop, console=self.console,
            since=self._began, unwatched="Scheduled checks begin within a minute.",
        )  # fmt: skip

    def _say(self, text: str) -> None:
        from monitoring_pipeline.cli import output

        stamp = f"{output.local(self.monitoring.clock())}  "
        self.console.print(f"{stamp}{text}", soft_wrap=True)

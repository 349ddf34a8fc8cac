"""`busta up --no-dagster`: serves the checks in this process, beside the API as a child."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.cli.processes import Child, Ledger, Program, stop_groups
from monitoring_pipeline.errors import ConfigError, MonitoringError

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.cli.supervisor import Installation

__all__ = ["Standalone"]

_STRETCH = timedelta(seconds=60)
_HISTORY_S = 300.0
_TICK_S = 0.5


class Standalone:
    """Serves slots minute by minute until SIGINT or SIGTERM; history is moved and published every five."""

    def __init__(
        self, installation: Installation, *, say: Callable[[str], None], check_config: Callable[[], Sequence[Path]]
    ) -> None:
        self._installation = installation
        self._say = say
        self._check_config = check_config
        self._watched = installation.watched
        self._ledger = Ledger(installation.directory)
        self._stop = threading.Event()

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serves until it is stopped. Raises MonitoringError when another `busta up` runs here."""
        from monitoring_pipeline.cli.processes import answers

        installation = self._installation
        installation.directory.mkdir(parents=True, exist_ok=True)
        self._ledger.take()
        child = self._api()
        try:
            stop_groups(self._ledger.orphans())
            if child.program.ready is not None and answers(child.program.ready):
                raise MonitoringError(f"something listens at port {installation.api_port} already; choose --port-api")
            child.start()
            self._ledger.write([child])
            side = threading.Thread(target=self._beside, args=(child, on_ready), name="beside", daemon=True)
            side.start()
            with _interruptible(), suppress(KeyboardInterrupt):
                self._serve()
        finally:
            self._stop.set()
            stop_groups([child.pid] if child.pid is not None else [])
            self._ledger.release()

    def _api(self) -> Child:
        installation = self._installation
        logs = installation.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        host, port = installation.host, installation.api_port or 0
        command = (sys.executable, "-m", "monitoring_pipeline.api", "--host", host, "--port", str(port))
        program = Program("api", command, (host, port), signal.SIGTERM)
        return Child(program, log=logs / "api.log", directory=Path.cwd(), environment=installation.environment())

    def _serve(self) -> None:
        from monitoring_pipeline.app import Monitoring

        monitoring = Monitoring.open(self._installation.config)
        try:
            while True:
                stamps = self._stamps()
                self._serve_while(monitoring, stamps)
                monitoring = self._reopened(monitoring)
        finally:
            monitoring.close()

    def _serve_while(self, monitoring: Monitoring, stamps: list[object]) -> None:
        """Serves stretch after stretch until a watched file changed."""
        while self._stamps() == stamps:
            now = monitoring.clock()
            monitoring.serve(now, now + _STRETCH)

    def _reopened(self, monitoring: Monitoring) -> Monitoring:
        from monitoring_pipeline.app import Monitoring as Opened

        try:
            self._watched = self._check_config()
            fresh = Opened.open(self._installation.config)
        except ConfigError as error:
            self._say(f"the changed configuration cannot be used; the one before stays in force\n{error}")
            return monitoring
        self._say("the configuration changed; the checks follow it")
        monitoring.close()
        return fresh

    def _stamps(self) -> list[object]:
        found: list[object] = []
        for path in self._watched:
            with suppress(OSError):
                found.append((path, path.stat().st_mtime_ns))
        return found

    def _beside(self, child: Child, on_ready: Callable[[], None]) -> None:
        """Looks after the API, and moves history, while the checks are served."""
        announced, history_at = False, time.monotonic() + _HISTORY_S
        while not self._stop.wait(_TICK_S):
            news = child.look()
            if news:
                self._say(news)
                self._ledger.write([child])
            if not announced and child.ready:
                announced = True
                on_ready()
            if time.monotonic() >= history_at:
                history_at += _HISTORY_S
                self._move_history()

    def _move_history(self) -> None:
        from monitoring_pipeline.app import Monitoring

        try:
            monitoring = Monitoring.open(self._installation.config)
            try:
                monitoring.load_history()
                monitoring.publish_history()
                monitoring.expire()
            finally:
                monitoring.close()
        except Exception as error:  # tried again in five minutes; the rows stay where they are
            self._say(f"history could not be moved: {error}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP stop as Ctrl-C does: by KeyboardInterrupt."""
    handlers = {
        name: signal.signal(name, lambda *_: signal.raise_signal(signal.SIGINT))
        for name in (signal.SIGTERM, signal.SIGHUP)
    }
    # A shell's background job starts with SIGINT ignored.
    handlers[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)

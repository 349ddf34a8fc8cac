"""Starts and supervises what `busta up` runs: Dagster (code server, daemon, web server) and the API.

Dagster's parts are children of their own rather than of one `dagster dev`: each is restarted alone, the
web server dying does not stop the checks, and one code server serves both of the others. Dagster is not
imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from monitoring_pipeline.cli.processes import Child, Ledger, Program, stop_groups
from monitoring_pipeline.discovery.ourselves import why_taken
from monitoring_pipeline.errors import ConfigError, MonitoringError

__all__ = ["Installation", "Supervisor", "checkout", "prepare_home"]

TICK_S = 0.5
WATCH_S = 2.0
FIRST_LAUNCH_S = 45.0
PORT_FREES_S = 3.0  # a process that was killed a moment ago may still hold its port
MAX_SOCKET_PATH = 100
WORKSPACE = """\
load_from:
  - grpc_server:
      socket: {socket}
      location_name: monitoring
"""


def checkout() -> Path:
    """The folder of this deployment: where dagster.yaml, assets/ and sensors/ are.

    Raises MonitoringError when the library was installed without them.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "dagster.yaml").is_file() or not (root / "assets").is_dir():
        raise MonitoringError(
            "`busta up` needs the project's checkout (assets/, sensors/ and dagster.yaml), and "
            f"{root} is not one: clone the repository and run it there"
        )
    return root


def prepare_home(home: Path) -> None:
    """Makes DAGSTER_HOME ready: its settings, and its databases.

    A home without databases is opened once before anything else uses it: two processes that create
    them at the same time can trip over each other.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(checkout() / "dagster.yaml", home / "dagster.yaml")
    if (home / "schedules" / "schedules.db").exists():
        return
    opening = "from dagster import DagsterInstance; DagsterInstance.get().dispose()"
    done = subprocess.run(  # noqa: S603 - our own command line, no shell
        [sys.executable, "-c", opening], env=_environment({"DAGSTER_HOME": str(home)}), capture_output=True, check=False
    )
    if done.returncode != 0:
        tail = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise MonitoringError(f"Dagster cannot create its databases in {home}: {tail}")


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    # Without byte code on disk every run would compile Dagster anew: six seconds of CPU, each minute.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **extra}


@dataclass(frozen=True, slots=True)
class Installation:
    """What to run: the configuration file, the folder for everything written, and where to listen."""

    config: Path
    directory: Path
    host: str = "127.0.0.1"
    dagster_port: int = 3000
    api_port: int | None = 8080
    watched: Sequence[Path] = field(default_factory=tuple)

    @property
    def home(self) -> Path:
        return self.directory.resolve() / "dagster"

    @property
    def last_good(self) -> Path:
        """Where the last configuration that could be used is kept."""
        return self.directory / "configuration.json"

    @property
    def code_socket(self) -> Path:
        """A Unix socket, for whoever reaches the code server may run code; near, as their paths are short."""
        path = self.home / "code.sock"
        if len(str(path)) <= MAX_SOCKET_PATH:
            return path
        folder = Path(tempfile.gettempdir()) / f"busta-{os.getuid()}-{_digest(path)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise MonitoringError(f"{folder} belongs to somebody else; remove it")
        return folder / "code.sock"

    @property
    def ports(self) -> dict[str, int]:
        """The ports to listen at, by the option that chooses another."""
        api = {} if self.api_port is None else {"--port-api": self.api_port}
        return {"--port-dagster": self.dagster_port, **api}

    def programs(self) -> list[Program]:
        """The children, in the order they are started."""
        root, python = checkout(), sys.executable
        workspace = ("--workspace", str(self.home / "workspace.yaml"))
        code = (
            python, "-m", "dagster", "api", "grpc", "--socket", str(self.code_socket), "--lazy-load-user-code",
            "--python-file", str(root / "monitoring_pipeline" / "definitions.py"), "--working-directory", str(root),
            "--attribute", "defs", "--location-name", "monitoring", "--log-level", "warning",
        )  # fmt: skip
        daemon = (python, "-m", "dagster._daemon", "run", *workspace, "--log-level", "warning")
        web = (
            python, "-m", "dagster_webserver", *workspace, "--host", self.host, "--port", str(self.dagster_port),
            "--dagster-log-level", "warning",
        )  # fmt: skip
        programs = [
            Program("dagster-code", code, self.code_socket, signal.SIGKILL),
            Program("dagster-daemon", daemon),
            Program("dagster-webserver", web, (self.host, self.dagster_port)),
        ]
        if self.api_port is not None:
            api = (
                python, "-m", "monitoring_pipeline.api", "--host", self.host, "--port", str(self.api_port),
                "--dagster-url", f"http://{self.host}:{self.dagster_port}",
            )  # fmt: skip
            programs.append(Program("api", api, (self.host, self.api_port), signal.SIGTERM))
        return programs

    def environment(self) -> dict[str, str]:
        """What the children find in their environment."""
        return _environment(
            {
                "DAGSTER_HOME": str(self.home),
                "BUSTA_CONFIG": str(self.config.resolve()),
                "BUSTA_LAST_GOOD": str(self.last_good.resolve()),
            }
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def launch_job(host: str, port: int, job: str) -> None:
    """Asks Dagster to run a job now. Raises OSError when it does not."""
    import urllib.request

    query = "mutation($of: ExecutionParams!) { launchRun(executionParams: $of) { __typename } }"
    selector = {"repositoryLocationName": "monitoring", "repositoryName": "__repository__", "jobName": job}
    body = json.dumps({"query": query, "variables": {"of": {"selector": selector, "runConfigData": {}}}})
    request = urllib.request.Request(
        f"http://{host}:{port}/graphql", body.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own address
        kind = json.load(response)["data"]["launchRun"]["__typename"]
    if kind != "LaunchRunSuccess":
        raise OSError(f"Dagster answered {kind}")


class Supervisor:
    """Runs an installation until SIGINT, SIGTERM or SIGHUP.

    `say` is told, in a sentence, what people should know. `check_config` is called when a watched file
    changed: it raises ConfigError when the configuration cannot be used (the old one stays in force),
    and answers the files to watch from now on.
    """

    def __init__(
        self,
        installation: Installation,
        *,
        say: Callable[[str], None],
        check_config: Callable[[], Sequence[Path]] | None = None,
    ) -> None:
        self._installation = installation
        self._say = say
        self._check_config = check_config
        self._watch = _Watch(installation.watched)
        self._ledger = Ledger(installation.directory)
        self._children: list[Child] = []
        self._compiling: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Starts everything, says when it answers, and keeps it running; returns when all is stopped.

        Raises MonitoringError when another `busta up` runs here, or a port is taken.
        """
        self._installation.directory.mkdir(parents=True, exist_ok=True)
        self._ledger.take()
        try:
            stop_groups(self._ledger.orphans())
            self._refuse_taken_ports()
            handlers = {
                name: signal.signal(name, self._stop) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            }
            try:
                self._start()
                self._supervise(on_ready)
            finally:
                if self._compiling is not None:
                    self._compiling.kill()
                    self._compiling.wait()
                stop_groups(child.pid for child in self._children if child.pid is not None)
                for name, handler in handlers.items():
                    signal.signal(name, handler)
        finally:
            self._ledger.release()

    def _refuse_taken_ports(self) -> None:
        patience = time.monotonic() + PORT_FREES_S
        for option, port in self._installation.ports.items():
            while (why := why_taken(self._installation.host, port)) is not None:
                if time.monotonic() > patience:
                    raise MonitoringError(
                        f"cannot listen at {self._installation.host}:{port} ({why}); choose another port with {option}"
                    )
                time.sleep(0.1)

    def _start(self) -> None:
        installation = self._installation
        prepare_home(installation.home)
        workspace = WORKSPACE.format(socket=installation.code_socket)
        (installation.home / "workspace.yaml").write_text(workspace)
        self._compile()
        logs = installation.directory / "logs"
        logs.mkdir(exist_ok=True)
        for program in installation.programs():
            child = Child(
                program, log=logs / f"{program.name}.log", directory=checkout(), environment=installation.environment()
            )
            child.start()
            self._children.append(child)
            self._ledger.write(self._children)
            if program.name == "dagster-code":
                self._wait_for(child)

    def _compile(self) -> None:
        """Has the anomaly detector compiled beside the rest, where it is not: a short-lived process that says so."""
        command = [sys.executable, "-m", "monitoring_pipeline.analysis.scoring.machine_code"]
        self._compiling = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            command, cwd=checkout(), env=self._installation.environment(), stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def _wait_for(self, child: Child, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not child.ready and not self._stopping and time.monotonic() < deadline:
            self._look(child)
            time.sleep(0.1)

    def _supervise(self, on_ready: Callable[[], None]) -> None:
        announced = launched = False
        launch_until = time.monotonic() + FIRST_LAUNCH_S
        while not self._stopping:
            for child in self._children:
                self._look(child)
            if self._compiling is not None and self._compiling.poll() is not None:
                self._compiling = None
            if not announced and all(child.ready for child in self._children):
                announced = True
                on_ready()
            if announced and not launched:
                launched = self._check_at_once() or time.monotonic() > launch_until
            if self._watch.changed():
                self._reload()
            time.sleep(TICK_S)

    def _check_at_once(self) -> bool:
        """Launches a first run, so that nobody waits for the schedule's next minute; False: not yet possible."""
        try:
            launch_job(self._installation.host, self._installation.dagster_port, "health_checks_job")
        except OSError:
            return False
        return True

    def _look(self, child: Child) -> None:
        before = child.pid
        news = child.look()
        if news:
            self._say(news)
        if child.pid != before:
            self._ledger.write(self._children)

    def _reload(self) -> None:
        if self._check_config is not None:
            try:
                self._watch = _Watch(self._check_config())
            except ConfigError as error:
                self._say(f"the changed configuration cannot be used; the one before stays in force\n{error}")
                return
        self._say("the configuration changed; loading it")
        for child in self._children:
            child.renew()
        self._ledger.write(self._children)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True


class _Watch:
    """Notices that files (or the list of files in their folders) changed, and then kept still for a while."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._paths = sorted({*files, *(file.parent for file in files)})
        self._seen = self._look()
        self._latest = self._seen
        self._next = time.monotonic() + WATCH_S

    def changed(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + WATCH_S
        before, self._latest = self._latest, self._look()
        if self._latest == self._seen or self._latest != before:
            return False
        self._seen = self._latest
        return True

    def _look(self) -> list[object]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: Path) -> object:
    """What is different after a change: of a file its time and size, of a folder which YAML files it has."""
    try:
        if path.is_dir():
            return sorted(file.name for file in path.glob("*.y*ml"))
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size

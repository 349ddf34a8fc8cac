"""`busta up` in a process of its own, and what its parts answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring_pipeline.cli.processes import stop_groups
from tests.installation import write_installation
from tests.servers import free_port

__all__ = ["ROOT", "Up", "started", "until"]

ROOT = Path(__file__).parents[2]
UP = """
import sys
from pathlib import Path
from monitoring_pipeline.cli.supervisor import Installation, Supervisor
folder, dagster, api = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
installation = Installation(folder / "monitoring.yaml", folder / ".busta", dagster_port=dagster, api_port=api)
Supervisor(installation, say=lambda text: print(text, flush=True)).run(lambda: print("ready", flush=True))
print("stopped", flush=True)
"""


def until(condition: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
    """Waits until a condition holds and answers its value; fails when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.2)


@dataclass
class Up:
    """A supervisor in a process of its own."""

    folder: Path
    dagster_port: int
    api_port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", UP, str(self.folder), str(self.dagster_port), str(self.api_port)]
        # As a background job of a non-interactive shell: with SIGINT ignored.
        with self.output.open("wb") as output:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
            signal.signal(signal.SIGINT, before)
        until(lambda: "ready" in self.output.read_text() or self.process.poll() is not None, "everything answers")
        assert self.process.poll() is None, self.output.read_text()

    @property
    def output(self) -> Path:
        return self.folder / "up.log"

    @property
    def children(self) -> dict[str, int]:
        rows = json.loads((self.folder / ".busta" / "up.json").read_text())["children"]
        return {row["name"]: row["pid"] for row in rows}

    def ask(self, query: str) -> Any:
        """An answer of Dagster's GraphQL; None while it does not answer."""
        body = json.dumps({"query": query}).encode()
        address = f"http://127.0.0.1:{self.dagster_port}/graphql"
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)["data"]
        except OSError:
            return None

    def runs(self) -> list[dict[str, Any]]:
        """The runs of health checks, the newest first."""
        query = '{runsOrError(filter: {pipelineName: "health_checks_job"}) {... on Runs {results {runId status}}}}'
        answer = self.ask(query)
        return answer["runsOrError"]["results"] if answer else []


@contextmanager
def started(folder: Path) -> Iterator[Up]:
    """A supervisor of a small installation in a folder; whatever is left of it in the end is killed."""
    write_installation(folder)
    running = Up(folder, free_port(), free_port())
    running.start()
    try:
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            children = running.children.values()
            running.process.kill()
            running.process.wait()
            stop_groups(children, 1)

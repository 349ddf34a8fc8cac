"""The whole system as `busta up` runs it: CPU and memory per check of everything it starts.

A real `busta up` on free ports: code server, daemon, web server, API, one run a minute, and the process
itself. The measurement begins a few seconds after everything was checked once, the first statuses were told to
Dagster and a scheduled run serves: the price of starting is a line of its own. It lasts whole minutes, because
each minute has one start of a run; the history load runs every fifth, so multiples of five are fair. CPU is the
kernel's account of every process, those that ended included: a parent inherits what its children used. Only
the share of the health-check runs within all runs is from looking twice a second.
"""

from __future__ import annotations

import argparse
import math
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.figures import Row, quantile_rows
from bench.installation import configured, target_server
from bench.processes import cpu_s, free_port, memory_mb, peak_mb, running, tree_cpu_s, until_listening
from bench.table import arguments, show

__all__ = ["main", "measure_system", "system_up"]

_POLL_S = 0.5
_START_S = 1800
_SETTLE_S = 15
_LAST_RESULTS_S = 15
_FULL_WINDOW_US = 58_000_000
_PARTS = {
    "code": "--location-name",
    "daemon": "dagster._daemon",
    "web": "dagster_webserver",
    "api": "monitoring_pipeline.api",
}
_SHOWN = ("health checks", "other runs", "code", "daemon", "web", "api", "up")


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=10_000, metavar="N", help="sources with one check each")
    parser.add_argument("--per-minute", type=int, default=10_000, metavar="N", help="checks per minute in all")
    parser.add_argument("--seconds", type=float, default=300, metavar="S", help="length, in whole minutes")
    options = parser.parse_args()
    if options.quick:
        options.sources, options.per_minute, options.seconds = 1_000, 1_000, 60
    rows = _measure(options)
    method = (
        f"`busta up` with {options.sources:,} sources, {options.per_minute:,} HTTP checks/min; "
        "no one looks at the status page; the target has a process of its own that is not counted"
    )
    show("The whole system", method, rows, options.json)


def _measure(options: argparse.Namespace) -> list[Row]:
    interval_s = options.sources * 60 / options.per_minute
    with target_server() as port, configured(port, options.sources, interval_s) as config:
        return measure_system(config, options.seconds)


def measure_system(config: Path, seconds: float) -> list[Row]:
    """Runs `busta up` with a configuration and measures for `seconds`, rounded up to whole minutes.

    The operational store has to be the SQLite file of the configuration's own folder. Raises
    RuntimeError when the system does not come to serve.
    """
    duration_s = max(1, math.ceil(seconds / 60)) * 60
    with system_up(config) as (process, store):
        tree = _Tree(process, store)
        began = tree.accounts()
        starting: list[Row] = [
            ("from the start to steady running", time.time() - process.create_time(), "s"),
            ("CPU until then", began["all"], "s"),
        ]
        start_us = time.time_ns() // 1000
        tree.watch(duration_s)
        used = {part: after - began[part] for part, after in tree.accounts().items()}
        end_us = time.time_ns() // 1000
        time.sleep(_LAST_RESULTS_S)
        tree.meet()
        found = store.between(start_us, end_us)
    return starting + _rows(found, used, tree, (end_us - start_us) / 1e6)


@contextmanager
def system_up(config: Path) -> Iterator[tuple[psutil.Process, _Store]]:
    """A `busta up` whose first scheduled run serves."""
    log, web, api = config.parent / "up.log", free_port(), free_port()
    start = "from monitoring_pipeline.cli import main; main()"
    command = (
        sys.executable, "-c", start, "--config", str(config), "up",
        "--port-dagster", str(web), "--port-api", str(api),
    )  # fmt: skip
    store = _Store(config.parent / ".busta" / "operational.db")
    with running(command, log) as process:
        until_listening(process, web, log, _START_S)
        until_listening(process, api, log)
        _until_serving(process, store, log)
        time.sleep(_SETTLE_S)
        yield process, store


def _until_serving(process: psutil.Process, store: _Store, log: Path) -> None:
    """Waits until everything was checked and told once, and a run that the schedule launched serves."""
    deadline, seen = time.monotonic() + _START_S, set[int]()
    while time.monotonic() < deadline and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        runners = store.runners()
        seen.update(runner.pid for runner in runners)
        # The first may be the one that `busta up` launches at once: it serves what is left of its minute.
        scheduled = len(seen) > 1 or any(runner.window_us >= _FULL_WINDOW_US for runner in runners)
        if runners and scheduled and store.settled():
            return
        time.sleep(_POLL_S)
    raise RuntimeError(f"no scheduled run serves:\n{log.read_text(errors='replace')[-3000:]}")


@dataclass(frozen=True, slots=True)
class _Runner:
    pid: int
    window_us: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What the store has of the measured time: `late_ms` of every check executed."""

    late_ms: list[float]
    not_healthy: int
    gap_slots: int


class _Store:
    """The operational store, read now and then by a connection of our own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _query(self, query: str, *values: int) -> list[tuple[int, ...]]:
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:  # not there yet
            return []

    def runners(self) -> list[_Runner]:
        """The runs that serve right now."""
        return [_Runner(pid, window) for pid, window in self._query("SELECT pid, serves_until - started FROM runners")]

    def settled(self) -> bool:
        """Whether everything was checked once, as `busta up` does at its start."""
        rows = self._query("SELECT (SELECT count(*) FROM checks), (SELECT count(*) FROM results WHERE manual)")
        return bool(rows) and rows[0][1] >= rows[0][0]

    def between(self, start_us: int, end_us: int) -> _Found:
        """What scheduled checks found that began in [start, end)."""
        rows = self._query(
            "SELECT started - slot, status = 'healthy' FROM results "
            "WHERE started >= ? AND started < ? AND NOT manual AND skipped IS NULL",
            start_us, end_us,
        )  # fmt: skip
        gaps = self._query('SELECT coalesce(sum(slots), 0) FROM gaps WHERE "end" >= ? AND start < ?', start_us, end_us)
        late = [max(0, late_us) / 1000 for late_us, _ in rows]
        return _Found(late, sum(not healthy for _, healthy in rows), gaps[0][0] if gaps else 0)


@dataclass
class _Tree:
    """All processes of the system, and what is only to be seen while they live."""

    root: psutil.Process
    store: _Store
    before_s: dict[int, float] = field(default_factory=dict)
    """CPU seconds of every process when the measurement began, by pid."""
    last_s: dict[int, float] = field(default_factory=dict)
    """The same as seen last."""
    health_checks: set[int] = field(default_factory=set)
    """The pids of health-check runs. One is known as such once it serves, seconds after its start."""
    run_peak_mb: float = 0.0
    all_peak_mb: float = 0.0

    def parts(self) -> dict[str, psutil.Process]:
        """The parts of the system by name."""
        found = {}
        for child in self.root.children():
            line = child.cmdline()
            found.update({name: child for name, word in _PARTS.items() if word in line})
        return found

    def accounts(self) -> dict[str, float]:
        """CPU seconds since their start, of each part with what it started, and of the runs."""
        parts = self.parts()
        missing = set(_PARTS) - set(parts)
        if missing:
            raise RuntimeError(f"parts of the system do not run: {', '.join(sorted(missing))}")
        used = {name: tree_cpu_s(process) for name, process in parts.items()}
        code = parts["code"].cpu_times()
        own = code.user + code.system
        return {
            "runs": used["code"] - own, "code": own, "daemon": used["daemon"], "web": used["web"],
            "api": used["api"], "up": cpu_s(self.root), "all": tree_cpu_s(self.root),
        }  # fmt: skip

    def watch(self, seconds: float) -> None:
        """Looks at the memory of all, and at the runs that serve, until `seconds` are over."""
        until = time.monotonic() + seconds
        self.before_s = self._each_s()
        while (left := until - time.monotonic()) > 0:
            self._look()
            self.meet()
            self.run_peak_mb = max([self.run_peak_mb, *map(peak_mb, self.health_checks)])
            total = sum(map(memory_mb, [self.root, *self.root.children(recursive=True)]))
            self.all_peak_mb = max(self.all_peak_mb, total)
            time.sleep(min(left, _POLL_S))
        self._look()

    def meet(self) -> None:
        """Learns which processes are health-check runs."""
        self.health_checks.update(runner.pid for runner in self.store.runners())

    def _look(self) -> None:
        for pid, used in self._each_s().items():
            self.last_s[pid] = max(used, self.last_s.get(pid, 0.0))

    def _each_s(self) -> dict[int, float]:
        return {process.pid: cpu_s(process) for process in self.root.children(recursive=True)}

    def health_checks_s(self) -> float:
        """CPU seconds of the health-check runs while they were watched."""
        return sum(max(0.0, self.last_s.get(pid, 0.0) - self.before_s.get(pid, 0.0)) for pid in self.health_checks)


def _rows(found: _Found, used: dict[str, float], tree: _Tree, seconds: float) -> list[Row]:
    checks = len(found.late_ms)
    if not checks:
        raise RuntimeError("no check was recorded in the measured time")

    def each(*parts: str) -> float:
        return sum(used[part] for part in parts) * 1000 / checks

    used = {**used, "health checks": min(tree.health_checks_s(), used["runs"])}
    used["other runs"] = used["runs"] - used["health checks"]
    return [
        ("measured", seconds, "s"),
        ("checks recorded", checks, ""),
        ("checks per minute", checks / seconds * 60, "1/min"),
        ("not healthy", found.not_healthy, ""),
        ("slots in gaps", found.gap_slots, ""),
        *quantile_rows("slot lateness", found.late_ms, 0.5, 0.99),
        ("CPU per check: run processes", each("runs"), "ms"),
        ("of these: health-check runs", each("health checks"), "ms"),
        ("of these: history and maintenance", each("other runs"), "ms"),
        ("CPU per check: code server, daemon, web server", each("code", "daemon", "web"), "ms"),
        ("CPU per check: API", each("api"), "ms"),
        ("CPU per check: `busta up` itself", each("up"), "ms"),
        ("CPU per check: everything", each("all"), "ms"),
        *((f"CPU in all: {part}", used[part], "s") for part in _SHOWN),
        ("CPU of everything", used["all"] / seconds, "cores"),
        ("health-check runs seen", len(tree.health_checks), ""),
        ("peak memory of a run", tree.run_peak_mb, "MB"),
        ("peak memory of everything", tree.all_peak_mb, "MB"),
    ]


if __name__ == "__main__":
    main()

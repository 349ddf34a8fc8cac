"""How everything is, for 5,000 sources with two checks each: read model, API, command line, loading.

The API is the real process and is asked over one kept-alive connection, 50 times a second, while another
process records results at the rate the configuration has (nothing is probed). Its answers are pictures that
it renews itself, so the time of the read model is a line of its own. Command line and loading are whole
processes, started anew each time.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median

import psutil

from bench.figures import Row, file_system, quantile_rows
from bench.filling import Recorder
from bench.processes import cpu_s, finished, free_port, peak_mb, running, until_listening
from bench.table import arguments, show
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import system_clock

__all__ = ["main"]

_CHECKS = 2
_INTERVAL_S = 60
_PACE_S = 0.02
_BUSTA = "from monitoring_pipeline.cli import main; main()"
_LOAD = """\
import time
from monitoring_pipeline.app import Monitoring
from pathlib import Path
cpu, wall = time.process_time(), time.perf_counter()
config = Monitoring.open(Path({path!r})).config
print(len(config.sources), len(config.checks), time.perf_counter() - wall, time.process_time() - cpu)
"""
_CHECK = """\
      - id: {id}
        kind: http
        url: "http://127.0.0.1:9/{source}/{id}"
        interval: 60s
        conditions:
          - status == 200
          - {{warning: response_time_ms < 2000}}
"""


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=5_000, metavar="N", help="sources with two checks each")
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record is not None:
        _record(options.record)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options.sources, quick=options.quick)
    method = (
        f"{options.sources:,} sources with {_CHECKS} checks each, in 20 components, a result of every check each "
        f"{_INTERVAL_S} s; 3 of 100 are not healthy; {file_system()}"
    )
    show("Status", method, rows, options.json)


def _measure(folder: Path, sources: int, *, quick: bool) -> list[Row]:
    short, long = _write_for_each(folder, sources), _write_out(folder, sources)
    times = 2 if quick else 7
    rows = [
        *_loading("configuration by for_each", short, sources, times),
        *_loading("configuration written out", long, sources, times),
    ]
    _fill(short)
    recorder = (sys.executable, "-m", "bench.status", "--record", str(short))
    with running(recorder, folder / "recorder.log") as process:
        rows += _reading(short, 5 if quick else 50)
        rows += _asking(folder, short, seconds=4 if quick else 30)
        rows += _command(short, times)
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"nobody recorded results:\n{(folder / 'recorder.log').read_text()[-2000:]}")
    return rows


# -- configurations ------------------------------------------------------------------------------------


def _write_for_each(folder: Path, sources: int) -> Path:
    (folder / "sources.csv").write_text(
        "id,component\n" + "".join(f"source-{n:05d},part-{n % 20:02d}\n" for n in range(sources))
    )
    checks = "".join(_CHECK.format(id=f"web{n}", source="{id}") for n in range(_CHECKS))
    path = folder / "monitoring.yaml"
    path.write_text(
        f"{_head()}sources:\n  - for_each: {{csv: sources.csv}}\n"
        f'    id: "{{id}}"\n    component: "{{component}}"\n    checks:\n{checks}'
    )
    return path


def _write_out(folder: Path, sources: int) -> Path:
    path = folder / "written.yaml"
    with path.open("w") as file:
        file.write(f"{_head()}sources:\n")
        for n in range(sources):
            name = f"source-{n:05d}"
            checks = "".join(_CHECK.format(id=f"web{k}", source=name) for k in range(_CHECKS))
            file.write(f"  - id: {name}\n    component: part-{n % 20:02d}\n    checks:\n{checks}")
    return path


def _head() -> str:
    components = "".join(f"  part-{n:02d}: {{description: 'Part {n}'}}\n" for n in range(20))
    return f"version: 1\nname: Benchmark\ncomponents:\n{components}"


def _loading(what: str, path: Path, sources: int, times: int) -> list[Row]:
    walls, used, whole = [], [], []
    for _ in range(times):
        _, cpu, printed = finished([sys.executable, "-c", _LOAD.format(path=str(path))])
        found, checks, wall, loading = printed.split()
        if (int(found), int(checks)) != (sources, sources * _CHECKS):
            raise RuntimeError(f"{found!r} sources and {checks!r} checks were loaded")
        walls.append(float(wall))
        used.append(float(loading))
        whole.append(cpu)
    return [
        (f"{what}: loading, median", median(walls), "s"),
        (f"{what}: loading, CPU", median(used), "s"),
        (f"{what}: whole process, CPU", median(whole), "s"),
    ]


# -- results -------------------------------------------------------------------------------------------


def _fill(path: Path) -> None:
    """A first result of every check, as if the last minute had been served."""
    now = system_clock()
    with contextlib.closing(Monitoring.open(path, clock=lambda: now - timedelta(seconds=_INTERVAL_S))) as monitoring:
        monitoring.register()  # a minute ago: by now every check has been due
        recorder = Recorder(monitoring)
        recorder.begin(now, now)
        while batch := recorder.found():
            recorder.step(batch, now, now)


def _record(path: Path) -> None:
    """Records results as they fall due, until it is stopped."""
    monitoring = Monitoring.open(path)
    recorder = Recorder(monitoring)
    while True:
        now = monitoring.clock()
        recorder.step(recorder.found(), now, now)
        time.sleep(0.5)


# -- measuring -----------------------------------------------------------------------------------------


def _reading(path: Path, times: int) -> list[Row]:
    with contextlib.closing(Monitoring.open(path)) as monitoring:
        overview = monitoring.overview()
        unknown = overview.counts["unknown"]
        if not overview.watch.alive or unknown:
            raise RuntimeError(f"{unknown} sources are unknown: the store does not look like a served one")
        return quantile_rows("read model", _spent(monitoring.overview, times), 0.5, 0.95, 0.99)


def _spent(work: Callable[[], object], times: int, pace_s: float = 0.0) -> list[float]:
    """Milliseconds of each call at a steady pace; a call that had to wait for the one before counts from its turn."""
    found, first = [], time.perf_counter()
    for number in range(times):
        turn, began = first + number * pace_s, time.perf_counter()
        if pace_s and began > turn:
            began = turn
        elif pace_s:
            time.sleep(turn - began)
            began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return found


def _asking(folder: Path, path: Path, seconds: float) -> list[Row]:
    port, log = free_port(), folder / "api.log"
    command = (sys.executable, "-m", "monitoring_pipeline.api", "--config", str(path), "--port", str(port))
    began = time.perf_counter()
    with running(command, log) as process:
        until_listening(process, port, log)
        rows: list[Row] = []
        with _asker(port, "/health", {}) as ask:
            ask()
            rows.append(("API: from its start to the first /health", time.perf_counter() - began, "s"))
        before, since = cpu_s(process), time.perf_counter()
        for what, where, head in _QUESTIONS:
            with _asker(port, where, head) as ask:
                size = ask()
                rows += quantile_rows(f"API: {what}", _spent(ask, int(seconds / _PACE_S), _PACE_S), 0.5, 0.95, 0.99)
            rows.append((f"API: {what}, size", size / 1000, "kB"))
        share = (cpu_s(process) - before) / (time.perf_counter() - since)
        return [*rows, ("API: CPU while asked", share, "cores"), ("API: peak memory", peak_mb(process.pid), "MB")]


_QUESTIONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("/health", "/health", {}),
    ("status page's fragment, compressed", "/status/fragment", {"Accept-Encoding": "gzip"}),
    ("status page's fragment, plain", "/status/fragment", {}),
    ("one source", "/health/sources/source-00000", {}),
)


@contextlib.contextmanager
def _asker(port: int, where: str, head: dict[str, str]) -> Iterator[Callable[[], int]]:
    """Asks once and reads all of the answer; answers its size."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask() -> int:
        connection.request("GET", where, headers=head)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{where} answered {answer.status}: {body[:200]!r}")
        return len(body)

    with contextlib.closing(connection):
        yield ask


def _command(path: Path, times: int) -> list[Row]:
    command = (sys.executable, "-c", _BUSTA, "--config", str(path), "sources", "health", "--json")
    spent = [finished(command)[:2] for _ in range(times)]
    return [
        ("busta sources health --json: wall, median", median(wall for wall, _ in spent), "s"),
        ("busta sources health --json: CPU, median", median(cpu for _, cpu in spent), "s"),
    ]


if __name__ == "__main__":
    main()

"""From a failing check to a received webhook, through the whole system as `busta up` runs it.

Sources are broken one by one at random moments while everything else goes on. The time counts from the moment
the failing probe finished, as the store has it, to the moment the receiver had the message; with waiting for the
next probe it is a line of its own. Afterwards this process, which serves nothing, reports numbers that a rule is
about, as collectors and analysis do: those count from before they are recorded.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Row, quantile_rows
from bench.system import system_up
from bench.table import arguments, show

__all__ = ["main"]

_LAST_S = 10.0


@dataclass(frozen=True, slots=True)
class _Heard:
    at: float
    kind: str
    alerts: set[tuple[str, str]]


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=200, metavar="N", help="sources with one HTTP check each")
    parser.add_argument("--interval", type=float, default=5.0, metavar="S", help="seconds between two checks")
    parser.add_argument("--faults", type=int, default=200, metavar="N", help="sources to break, one after the other")
    parser.add_argument("--pause", type=float, default=0.5, metavar="S", help="mean time between two faults")
    options = parser.parse_args()
    if options.quick:
        options.faults = 20
    rows = _measure(options.sources, options.interval, options.faults, options.pause)
    method = (
        f"`busta up`, {options.sources} sources checked every {options.interval:g} s, {options.faults} broken one by "
        f"one about every {options.pause:g} s; default rules and routes, one webhook on this machine"
    )
    show("Failing check to received webhook", method, rows, options.json)


def _measure(sources: int, interval_s: float, faults: int, pause_s: float) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _faults(Path(folder)) as (port, journal):
        config = _configured(Path(folder), port, sources, interval_s)
        with system_up(config):
            broken = _break_some(port, sources, faults, pause_s)
            time.sleep(interval_s + _LAST_S)
            reported = _report_some(config, faults // 4, pause_s, frozenset(broken))
            time.sleep(_LAST_S)
        heard = [_heard(line) for line in journal.read_text().splitlines()]
        failed = _first_failures(config.parent / ".busta" / "operational.db")
    return _rows(broken, failed, heard) + _reported_rows(reported, heard)


@contextlib.contextmanager
def _faults(folder: Path) -> Iterator[tuple[int, Path]]:
    port_file, journal = folder / "port", folder / "journal"
    process = subprocess.Popen([sys.executable, "-m", "bench.faults", str(port_file), str(journal)])
    try:
        while not port_file.exists() or not port_file.read_text():
            time.sleep(0.02)
        yield int(port_file.read_text()), journal
    finally:
        process.kill()
        process.wait()


def _configured(folder: Path, port: int, sources: int, interval_s: float) -> Path:
    path = folder / "monitoring.yaml"
    (folder / "sources.csv").write_text("id\n" + "".join(f"api-{n:04d}\n" for n in range(sources)))
    path.write_text(f"""\
version: 1
name: Benchmark
channels:
  hook: {{kind: webhook, url: "http://127.0.0.1:{port}/hook", storm_cap: null}}
alerting: {{defaults: true}}
rules:
  - {{id: lag, when: {{kind: metric, metric: lag, aggregation: last, threshold: 10}}}}
sources:
  - for_each: {{csv: sources.csv}}
    id: "{{id}}"
    component: web
    checks:
      - {{kind: http, url: "http://127.0.0.1:{port}/{{id}}", interval: {interval_s:g}s, retries: 0}}
""")
    return path


def _break_some(port: int, sources: int, faults: int, pause_s: float) -> dict[str, float]:
    """Breaks sources at random moments, each once; when, by source."""
    luck = random.Random(1)
    names = luck.sample([f"api-{n:04d}" for n in range(sources)], min(sources, faults))
    found = {}
    for name in names:
        time.sleep(luck.expovariate(1 / pause_s))
        request = urllib.request.Request(f"http://127.0.0.1:{port}/break/{name}", method="POST", data=b"")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found[name] = float(answer.read())
    return found


def _report_some(config: Path, count: int, pause_s: float, broken: frozenset[str]) -> dict[str, float]:
    """Reports a number about so many sources that are well; when, by source."""
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.records import Sample

    luck, found = random.Random(2), {}
    monitoring = Monitoring.open(config)
    well = [source for source in monitoring.config.sources if source.id not in broken]
    for source in luck.sample(well, min(count, len(well))):
        time.sleep(luck.expovariate(1 / pause_s))
        found[source.id] = time.time()
        monitoring.report([Sample(source.id, "lag", monitoring.clock(), 99.0)])
    monitoring.close()
    return found


def _heard(line: str) -> _Heard:
    at, _, body = line.partition(" ")
    message = json.loads(body)
    return _Heard(float(at), message["kind"], {(alert["rule"], alert["source"]) for alert in message["alerts"]})


def _first_failures(path: Path) -> dict[str, float]:
    query = "SELECT source, min(finished) FROM results WHERE status = 'critical' GROUP BY source"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {source: finished / 1e6 for source, finished in connection.execute(query)}


def _rows(broken: dict[str, float], failed: dict[str, float], heard: list[_Heard]) -> list[Row]:
    first, counts = _first(heard, "source-critical")
    told = [name for name in broken if name in first and name in failed]
    return [
        ("sources broken", len(broken), ""),
        ("told of", len(told), ""),
        ("told of more than once", sum(count > 1 for count in counts.values()), ""),
        ("told of though they were well", len(first.keys() - broken.keys()), ""),
        *quantile_rows("probe finished to webhook", [(first[n] - failed[n]) * 1000 for n in told], 0.5, 0.95, 0.99),
        *quantile_rows("fault to webhook", [(first[n] - broken[n]) * 1000 for n in told], 0.5, 0.95),
    ]


def _first(heard: list[_Heard], rule: str) -> tuple[dict[str, float], dict[str, int]]:
    """When each source's alert of a rule was told first, and how often as firing."""
    first: dict[str, float] = {}
    counts: dict[str, int] = {}
    for message in heard:
        for named, source in message.alerts if message.kind == "firing" else ():
            if named == rule:
                first.setdefault(source, message.at)
                counts[source] = counts.get(source, 0) + 1
    return first, counts


def _reported_rows(reported: dict[str, float], heard: list[_Heard]) -> list[Row]:
    first, _ = _first(heard, "lag")
    told = [name for name in reported if name in first]
    return [
        ("numbers reported by another process", len(reported), ""),
        ("told of", len(told), ""),
        *quantile_rows("report to webhook", [(first[n] - reported[n]) * 1000 for n in told], 0.5, 0.95),
    ]


if __name__ == "__main__":
    main()

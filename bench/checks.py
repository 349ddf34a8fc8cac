"""Checks per minute: slots on time, CPU and memory, beside plain requests through the same client.

The checked server, the plain client and the run each have a process of their own; CPU is what the
operating system charged to the process, start-up included. `--dagster` measures the whole system
instead (scheduler, web server, API, one run a minute) as `busta up` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.installation import configured, target_server
from bench.table import arguments, show

__all__ = ["main"]

Row = tuple[str, Any, str]


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=10_000, metavar="N", help="sources with one check each")
    parser.add_argument("--per-minute", type=int, default=10_000, metavar="N", help="checks per minute in all")
    parser.add_argument("--seconds", type=float, default=300, metavar="S", help="length of the measurement")
    parser.add_argument("--dagster", action="store_true", help="measure everything that `busta up` starts")
    parser.add_argument("--part", choices=["run", "plain", "aiohttp"], help=argparse.SUPPRESS)
    parser.add_argument("--of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "run":
        print(json.dumps(_serve(Path(options.of), options.seconds)))
    elif options.part:
        print(json.dumps(_plain(options.part, int(options.of), options.seconds, options.per_minute)))
    else:
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    seconds = 20.0 if options.quick else options.seconds
    interval_s = options.sources * 60 / options.per_minute
    with target_server() as port, configured(port, options.sources, interval_s) as config:
        if options.dagster:
            from bench.system import measure_system

            rows = measure_system(config, seconds)
        else:
            rows = _run_rows(options, config, port, seconds)
    method = f"{options.sources:,} sources, {options.per_minute:,} HTTP checks/min for {seconds:g} s, fresh connections"
    show("Health checks", method, rows, options.json)


def _part(part: str, of: str, seconds: float, per_minute: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.checks", "--part", part, "--of", of, "--seconds", str(seconds)]
    answer = subprocess.run([*command, "--per-minute", str(per_minute)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _run_rows(options: argparse.Namespace, config: Path, port: int, seconds: float) -> list[Row]:
    ours = _part("run", str(config), seconds, options.per_minute)
    plain = _part("plain", str(port), min(seconds, 60), options.per_minute)
    other = _part("aiohttp", str(port), min(seconds, 60), options.per_minute)
    return [
        ("checks executed", ours["executed"], ""),
        ("checks per minute", ours["executed"] / seconds * 60, "1/min"),
        ("results in the store", ours["recorded"], ""),
        ("not healthy", ours["executed"] - ours["healthy"], ""),
        ("slot lateness p50", ours["p50"], "ms"),
        ("slot lateness p99", ours["p99"], "ms"),
        ("slot lateness max", ours["max"], "ms"),
        ("CPU per check, all of the run", ours["cpu_s"] * 1000 / ours["executed"], "ms"),
        ("CPU of start-up (imports, configuration, registering)", ours["startup_s"], "s"),
        ("peak memory of the run", ours["rss_mb"], "MB"),
        ("plain request, same client: CPU", plain["cpu_ms"], "ms"),
        ("plain request, aiohttp: CPU", other["cpu_ms"], "ms"),
        ("overhead over the same client", ours["cpu_s"] * 1000 / ours["executed"] / plain["cpu_ms"], "x"),
        ("overhead over aiohttp", ours["cpu_s"] * 1000 / ours["executed"] / other["cpu_ms"], "x"),
    ]


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _serve(config: Path, seconds: float) -> dict[str, Any]:
    """The run: what the scheduled job does, in this process."""
    from sqlalchemy import func, select

    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.store.tables import results

    monitoring = Monitoring.open(config)
    monitoring.register()
    startup_s = _cpu_s()
    start = monitoring.clock()
    served = monitoring.serve(start, start + timedelta(seconds=seconds))
    with monitoring.store.read() as connection:
        recorded = connection.execute(select(func.count()).select_from(results)).scalar_one()
    monitoring.close()
    return {
        "executed": served.executed,
        "recorded": recorded,
        "healthy": served.statuses.get("healthy", 0),
        "p50": served.lateness_p50_ms,
        "p99": served.lateness_p99_ms,
        "max": served.lateness_max_ms,
        "cpu_s": _cpu_s(),
        "startup_s": startup_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "pid": os.getpid(),
    }


def _plain(client: str, port: int, seconds: float, per_minute: int) -> dict[str, float]:
    """The same requests, evenly spaced, without us: nothing judged, nothing kept."""
    import uvloop

    from bench.clients import CLIENTS

    count = int(seconds * per_minute / 60)
    before = _cpu_s()
    uvloop.run(CLIENTS[client](port, count, per_minute / 60))
    return {"cpu_ms": (_cpu_s() - before) * 1000 / count, "count": count, "at": time.time()}


if __name__ == "__main__":
    main()

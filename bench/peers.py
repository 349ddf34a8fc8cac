"""The same load by another stack: Prometheus, its blackbox exporter and Alertmanager, as Debian packages them.

Each is started on loopback with its data in a temporary folder, and probes the same targets as
`bench.checks` does as often: module http_2xx, one rule (`probe_success == 0`), no target down. What is
counted are the probes that Prometheus stored. CPU is the kernel's account of the three processes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bench.figures import Row
from bench.installation import target_server
from bench.processes import cpu_s, finished, free_port, peak_mb, running, until_listening
from bench.table import arguments, show

__all__ = ["main"]

_PROGRAMS = {
    name: Path(f"/usr/bin/{name}") for name in ("prometheus", "prometheus-blackbox-exporter", "prometheus-alertmanager")
}
_LAST_PROBES_S = 6
_INSTALL = "apt-get install prometheus prometheus-blackbox-exporter prometheus-alertmanager"
_BLACKBOX = """\
modules:
  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, valid_status_codes: [200]}}
"""
_ALERTMANAGER = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
# Half of what the exporter tells is of no use here, and dropping it is cheaper than storing it.
_KEPT = "probe_(success|duration_seconds|http_status_code|http_duration_seconds)"
_RULES = """\
groups:
  - name: targets
    rules:
      - {alert: TargetDown, expr: probe_success == 0, labels: {severity: critical}}
"""
_PROMETHEUS = """\
global: {{scrape_interval: {interval:g}s, scrape_timeout: {timeout:g}s, evaluation_interval: {interval:g}s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: blackbox
    metrics_path: /probe
    params: {{module: [http_2xx]}}
    file_sd_configs: [{{files: [targets.json]}}]
    metric_relabel_configs: [{{source_labels: [__name__], regex: "{kept}", action: keep}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "127.0.0.1:{blackbox}"}}
"""


def main() -> None:
    """Runs the benchmark, or tells what to install for it."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=10_000, metavar="N", help="targets")
    parser.add_argument("--per-minute", type=int, default=10_000, metavar="N", help="probes per minute in all")
    parser.add_argument("--seconds", type=float, default=300, metavar="S", help="length of the measurement")
    options = parser.parse_args()
    missing = [name for name, path in _PROGRAMS.items() if not path.exists()]
    if missing:
        print(f"Nothing to compare with: {', '.join(missing)} not installed. On Debian or Ubuntu:\n  {_INSTALL}")
        return
    if options.quick:
        options.sources, options.seconds = min(options.sources, 1_000), min(options.seconds, 20)
    interval_s = options.sources * 60 / options.per_minute
    rows = _measure(options, interval_s)
    method = (
        f"{options.sources:,} targets every {interval_s:g} s ({options.per_minute:,} probes/min) for "
        f"{options.seconds:g} s, after one interval to warm up; {', '.join(map(_version, _PROGRAMS.values()))}"
    )
    show("Prometheus, blackbox exporter, Alertmanager", method, rows, options.json)


def _version(program: Path) -> str:
    printed = finished([str(program), "--version"])[2].decode()
    return f"{program.name.removeprefix('prometheus-')} {printed.split()[2]}"


def _measure(options: argparse.Namespace, interval_s: float) -> list[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        target_server() as port,
        _stack(Path(folder), options.sources, port, interval_s) as (stack, web),
    ):
        time.sleep(interval_s + 5)
        used_before, began = {name: cpu_s(process) for name, process in stack.items()}, time.time()
        time.sleep(options.seconds)
        seconds = time.time() - began
        used = {name: cpu_s(process) - used_before[name] for name, process in stack.items()}
        peaks = {name: peak_mb(process.pid) for name, process in stack.items()}
        span = f"[{max(1, round(seconds))}s]"
        time.sleep(_LAST_PROBES_S)
        probes = _number(web, f"sum(count_over_time(probe_success{span}))", began + seconds)
        good = _number(web, f"sum(sum_over_time(probe_success{span}))", began + seconds)
    return _rows(used, peaks, probes, good, seconds)


def _rows(used: dict[str, float], peaks: dict[str, float], probes: float, good: float, seconds: float) -> list[Row]:
    if not probes:
        raise RuntimeError("Prometheus stored no probe")
    return [
        ("probes stored", probes, ""),
        ("probes per minute", probes / seconds * 60, "1/min"),
        ("not successful", probes - good, ""),
        *((f"CPU per check: {name}", value * 1000 / probes, "ms") for name, value in used.items()),
        ("CPU per check: all three", sum(used.values()) * 1000 / probes, "ms"),
        *((f"peak memory: {name}", value, "MB") for name, value in peaks.items()),
        ("peak memory: all three", sum(peaks.values()), "MB"),
    ]


@contextmanager
def _stack(
    folder: Path, sources: int, target: int, interval_s: float
) -> Iterator[tuple[dict[str, psutil.Process], int]]:
    """The three processes by name, and Prometheus' port."""
    web, blackbox, alertmanager = free_port(), free_port(), free_port()
    targets = [f"http://127.0.0.1:{target}/api-{n:05d}" for n in range(sources)]
    (folder / "targets.json").write_text(json.dumps([{"targets": targets}]))
    (folder / "blackbox.yml").write_text(_BLACKBOX)
    (folder / "alertmanager.yml").write_text(_ALERTMANAGER)
    (folder / "rules.yml").write_text(_RULES)
    (folder / "prometheus.yml").write_text(
        _PROMETHEUS.format(
            kept=_KEPT, interval=interval_s, timeout=min(interval_s, 10), alertmanager=alertmanager, blackbox=blackbox
        )
    )
    quiet = "--log.level=warn"
    commands = {
        "prometheus-alertmanager": (
            alertmanager, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alerts",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=", quiet,
        ),
        "prometheus-blackbox-exporter": (
            blackbox, f"--config.file={folder}/blackbox.yml", f"--web.listen-address=127.0.0.1:{blackbox}",
            "--log.level=error",
        ),
        "prometheus": (
            web, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{web}", quiet,
        ),
    }  # fmt: skip
    with ExitStack() as open_processes:
        started = {}
        for name, (port, *command) in commands.items():
            log = folder / f"{name}.log"
            started[name] = open_processes.enter_context(running([str(_PROGRAMS[name]), *map(str, command)], log))
            until_listening(started[name], int(port), log)
        yield started, web


def _number(port: int, query: str, at: float) -> float:
    """One number out of Prometheus; 0 when it has none."""
    asked = urllib.parse.urlencode({"query": query, "time": at})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{asked}", timeout=60) as answer:
        found = json.load(answer)["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


if __name__ == "__main__":
    main()

"""Deliveries: how many a minute, how long until a message arrives, at which price; and what killing costs.

The outbox sends through real `webhook` channels, signed, to a receiver in a process of its own. First at the
pace of the specification, then as fast as it can, then beside a channel whose provider never answers. With
`--kill-rounds N` processes that deliver are killed instead, N times, on SQLite and PostgreSQL (see
tests/stories/delivering.py): what is lost and what comes twice is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.figures import Row, file_system, quantile_rows
from bench.installation import postgres
from bench.table import arguments, show
from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.alerting.delivery.channels.webhook import WebhookChannel
from monitoring_pipeline.alerting.delivery.outbox import Outbox
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.records import AlertState, Severity
from monitoring_pipeline.store import outbox as box
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft

__all__ = ["main"]

_CHANNELS = 4
_PER_MINUTE = 1_000
_TOGETHER = 5
"""Notifications of one transaction at the paced stretch: what fails together is told together."""


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--kill-rounds", type=int, metavar="N", help="kill N processes on each database instead")
    parser.add_argument("--part", choices=["receive", "send"], help=argparse.SUPPRESS)
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "receive":
        asyncio.run(_receive(options.of))
    elif options.part == "send":
        print(json.dumps(asyncio.run(_send(options.of, quick=options.quick))))
    elif options.kill_rounds is not None:
        _kill(options)
    else:
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with _receiver(folder):
            command = [sys.executable, "-m", "bench.deliveries", "--part", "send", "--of", name]
            answer = subprocess.run(
                [*command, *(["--quick"] if options.quick else [])], stdout=subprocess.PIPE, check=True
            )  # fmt: skip
        told = json.loads(answer.stdout.splitlines()[-1])
        received = json.loads((folder / "received.json").read_text())
    method = (
        f"signed webhooks over {_CHANNELS} channels, fresh connections, receiver in another process; "
        f"{told['paced']:,} messages at {_PER_MINUTE:,}/min in transactions of {_TOGETHER}, then {told['burst']:,} "
        f"at once; SQLite, synchronous=FULL, {file_system()}"
    )
    show("Deliveries", method, _rows(told, received), options.json)


def _rows(told: dict[str, Any], received: dict[str, list[float]]) -> list[Row]:
    paced = {key: at for key, at in told["written"].items() if key.startswith("paced")}
    late = [(received[key][0] - at) * 1000 for key, at in paced.items() if key in received]
    beside = [
        (received[key][0] - at) * 1000
        for key, at in told["written"].items()
        if key.startswith("beside") and key in received
    ]
    wanted = [key for key in told["written"] if not key.startswith("hanging")]
    return [
        ("messages written", len(wanted), ""),
        ("messages never received", sum(key not in received for key in wanted), ""),
        ("messages received more than once", sum(len(times) > 1 for times in received.values()), ""),
        *quantile_rows("paced: from commit to received,", late, 0.5, 0.95, 0.99),
        ("paced: CPU per delivery", told["paced_cpu_s"] * 1000 / told["paced"], "ms"),
        ("as fast as it can: deliveries per second", told["burst"] / told["burst_s"], "1/s"),
        ("as fast as it can: deliveries per minute", told["burst"] / told["burst_s"] * 60, "1/min"),
        ("as fast as it can: CPU per delivery", told["burst_cpu_s"] * 1000 / told["burst"], "ms"),
        (f"{told['hanging']:,} wait for a provider that hangs: commit to received p50", _middle(beside), "ms"),
        ("the same, the slowest", max(beside, default=0.0), "ms"),
        ("CPU while nothing is to be sent", told["idle_cpu_s"] * 1000 / told["idle_s"], "ms/s"),
        ("peak memory of the sender", told["rss_mb"], "MB"),
    ]


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


# -- the receiver ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _receiver(folder: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "bench.deliveries", "--part", "receive", "--of", str(folder)])
    try:
        while not (folder / "port").exists():
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


class _Reception(asyncio.Protocol):
    """Notes when the key of a message came, and answers; at the path /hang it never does."""

    def __init__(self, received: dict[str, list[float]]) -> None:
        self._received, self._read = received, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(headers[b"content-length"]) or head.startswith(b"POST /hang"):
            return
        self._received.setdefault(headers[b"idempotency-key"].decode(), []).append(time.time())
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        self._transport.write(answer)  # type: ignore[attr-defined]
        self._transport.close()


async def _receive(folder: Path) -> None:
    received: dict[str, list[float]] = {}
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: _Reception(received), "127.0.0.1", 0, backlog=1024)
    (folder / "port.new").write_text(str(server.sockets[0].getsockname()[1]))
    (folder / "port.new").rename(folder / "port")
    await ended.wait()
    (folder / "received.json").write_text(json.dumps(received))


# -- the sender --------------------------------------------------------------------------------------------


def _message(key: str) -> Message:
    """One as long as real ones are."""
    now = system_clock()
    alert = AlertFacts(
        id=1, rule="slow", source=f"source-{key}", name="Orders", severity=Severity.ERROR, state=AlertState.FIRING,
        summary="Orders answers slowly", text="avg(response_time_ms, 5m) = 812 > 300 for 2m", value=812.0, unit="ms",
        metric="response_time_ms", started=now, fired=now, affects=("billing", "reports"),
        runbook="https://runbooks.example.com/slow", url="https://monitoring.example.com/alerts/1",
    )  # fmt: skip
    return Message(
        key=key, thread=f"group-{key}", kind=Kind.FIRING, reason="new", title=alert.summary, severity=alert.severity,
        at=now, alerts=(alert,), url=alert.url,
    )  # fmt: skip


class _Sender:
    """The outbox under measurement and what was written into it."""

    def __init__(self, folder: Path) -> None:
        port = (folder / "port").read_text()
        self.store = OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", system_clock())
        paths = {f"hook-{n}": "hook" for n in range(_CHANNELS)} | {"hanging": "hang"}
        channels: dict[str, Channel] = {
            name: WebhookChannel(
                url=f"http://127.0.0.1:{port}/{path}", secret="a secret", timeout=timedelta(seconds=10)
            )
            for name, path in paths.items()
        }  # fmt: skip
        self.outbox = Outbox(self.store, Plan(channels=channels), system_clock)
        self.written: dict[str, float] = {}

    def write(self, prefix: str, numbers: Sequence[int], channel: str = "") -> None:
        drafts = []
        for n in numbers:
            key = f"{prefix}-{n:06d}"
            message = _message(key)
            drafts.append(
                Draft(
                    key=key, kind=message.kind, reason=message.reason, channel=channel or f"hook-{n % _CHANNELS}",
                    thread=message.thread, severity=message.severity, message=message.model_dump_json(),
                    due=system_clock(), alert_ids=(n + 1,),
                )
            )  # fmt: skip
        with self.store.write() as connection:
            box.enqueue(connection, drafts, system_clock())
        self.written.update({draft.key: time.time() for draft in drafts})
        self.outbox.nudge()

    async def until_sent(self, but: int = 0) -> None:
        while await asyncio.to_thread(self._open) > but:
            await asyncio.sleep(0.02)

    def _open(self) -> int:
        with self.store.read() as connection:
            return box.open_count(connection)


async def _send(folder: Path, *, quick: bool) -> dict[str, Any]:
    paced, burst, hanging, idle_s = (100, 500, 100, 2) if quick else (1_000, 10_000, 5_000, 20)
    sender = _Sender(folder)
    stop = asyncio.Event()
    running = asyncio.ensure_future(sender.outbox.run(stop))
    await asyncio.sleep(1)
    idle_cpu = _cpu_s()
    await asyncio.sleep(idle_s)
    idle_cpu = _cpu_s() - idle_cpu
    before = _cpu_s()
    await _pace(sender, paced)
    paced_cpu = _cpu_s() - before
    await asyncio.to_thread(sender.write, "burst", range(burst))
    before, began = _cpu_s(), time.perf_counter()
    await sender.until_sent()
    burst_s, burst_cpu = time.perf_counter() - began, _cpu_s() - before
    await asyncio.to_thread(sender.write, "hanging", range(hanging), "hanging")
    await asyncio.sleep(1)
    for n in range(20):
        await asyncio.to_thread(sender.write, "beside", [n])
        await asyncio.sleep(0.1)
    await sender.until_sent(but=hanging)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return {
        "paced": paced, "burst": burst, "hanging": hanging, "idle_s": idle_s, "idle_cpu_s": idle_cpu,
        "paced_cpu_s": paced_cpu, "burst_s": burst_s, "burst_cpu_s": burst_cpu, "written": sender.written,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }  # fmt: skip


async def _pace(sender: _Sender, count: int) -> None:
    began = time.perf_counter()
    for first in range(0, count, _TOGETHER):
        await asyncio.sleep(began + first * 60 / _PER_MINUTE - time.perf_counter())
        await asyncio.to_thread(sender.write, "paced", range(first, first + _TOGETHER))
    await sender.until_sent()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# -- killing -----------------------------------------------------------------------------------------------


def _kill(options: argparse.Namespace) -> None:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows += _killed("SQLite", f"sqlite:///{folder}/operational.db", Path(folder), options.kill_rounds)
    with postgres() as url, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if url is not None:
            rows += _killed("PostgreSQL", url, Path(folder), options.kill_rounds)
    method = (
        "a round starts a process that writes six notifications and delivers, and kills the older of two with "
        "SIGKILL: every second one at a named step, the others at any moment; excused duplicates are of a process "
        "that was killed after it sent and before it wrote that down"
    )
    show("Deliveries under kills", method, rows, options.json)


def _killed(name: str, url: str, folder: Path, rounds: int) -> list[Row]:
    command = [sys.executable, "-m", "tests.stories.delivering", url, str(folder), "--rounds", str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    words = {
        "kills": "processes killed", "steps_reached": "of them at a named step", "written": "notifications written",
        "lost": "lost", "duplicated": "received more than once", "excused": "of them excused",
        "unexcused": "of them without excuse", "disordered": "out of order", "unsent": "not written down as sent",
        "interrupted": "attempts interrupted", "failed": "attempts without an answer in time",
    }  # fmt: skip
    return [(f"{name}: {text}", found[key], "") for key, text in words.items()]


if __name__ == "__main__":
    main()

"""`python -m monitoring_pipeline.api`: serves the API by uvicorn until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from monitoring_pipeline.api.application import create_app
from monitoring_pipeline.app import Monitoring, config_path
from monitoring_pipeline.config import Config, load_config
from monitoring_pipeline.errors import MonitoringError

_GRACE_S = 10
_SWITCH_S = 0.0005


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves; answers the exit code: 0 after a graceful stop, 2 when it cannot be started."""
    options = _parser().parse_args(arguments)
    _log_to_stderr()
    try:
        config = _configured(options)
        app = create_app(Monitoring(config))
    except MonitoringError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what the user has to read
        return 2
    # Answers share the interpreter with the thread that takes the next snapshot: switching ten times
    # as often as by default keeps them within a few milliseconds.
    sys.setswitchinterval(_SWITCH_S)
    # A snapshot is tens of thousands of small objects without cycles: looking for some in all of them
    # would stop every answer for a tenth of a second.
    gc.freeze()
    gc.set_threshold(10_000, 50, 1_000)
    server = uvicorn.Server(
        uvicorn.Config(
            app, host=config.api.host.strip("[]"), port=config.api.port, access_log=False, log_config=None,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=_GRACE_S, timeout_keep_alive=30,
            h11_max_incomplete_event_size=32_768, limit_concurrency=1_000,
        )
    )  # fmt: skip
    # uvicorn raises the signal that stopped it once more when everything is closed: that is no failure.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _leave)
    server.run()
    return 0 if server.started else 2


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m monitoring_pipeline.api", description="Serves the API.")
    parser.add_argument("--config", type=Path, help="the configuration ($BUSTA_CONFIG, or ./monitoring.yaml)")
    parser.add_argument("--host", help="address to listen on instead of the configured one")
    parser.add_argument("--port", type=int, help="port to listen on instead of the configured one")
    parser.add_argument("--dagster-url", help="where Dagster's web UI is instead of the configured address")
    return parser


def _configured(options: argparse.Namespace) -> Config:
    config = load_config(config_path(options.config))
    names = ("host", "port", "dagster_url")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return replace(config, api=config.api.model_copy(update=given))


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


if __name__ == "__main__":
    sys.exit(main())

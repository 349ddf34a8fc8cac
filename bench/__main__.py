"""Runs every benchmark, one after the other: `python -m bench [--quick] [--json-dir DIR]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["main"]

NAMES = (
    "checks",
    "system",
    "ingest",
    "collection",
    "status",
    "history",
    "rollups",
    "anomaly",
    "isolation",
    "reports",
    "sla",
    "quality",
    "rules",
    "deliveries",
    "alerting",
    "forecast",
    "prediction",
    "outlook",
    "peers",
)
"""One after the other, so that each has the machine alone."""


def main() -> int:
    """Runs them all, whatever fails; answers 1 when one of them did."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, to see that they work")
    parser.add_argument("--json-dir", type=Path, metavar="DIR", help="write DIR/NAME.json for each")
    options = parser.parse_args()
    if options.json_dir is not None:
        options.json_dir.mkdir(parents=True, exist_ok=True)
    failed = [name for name in NAMES if not _run(name, options)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, options: argparse.Namespace) -> bool:
    command = [sys.executable, "-m", f"bench.{name}"]
    if options.quick:
        command.append("--quick")
    if options.json_dir is not None:
        command += ["--json", str(options.json_dir / f"{name}.json")]
    # Without byte code on disk every process that is measured would compile everything anew.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())

"""What every benchmark prints: the machine, a table, and the same as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["arguments", "machine", "show"]

_PACKAGES = ("dagster", "duckdb", "sqlalchemy", "aiohttp", "httptools", "uvloop")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    return parser


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def show(title: str, method: str, rows: Sequence[tuple[str, Any, str]], to: Path | None) -> None:
    """Prints figures as (what, value, unit), and writes them to a file."""
    from rich.console import Console
    from rich.table import Table

    about = machine()
    table = Table(title=title, caption=method, caption_justify="left", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_column("unit")
    for what, value, unit in rows:
        table.add_row(what, f"{value:,.3g}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}", unit)
    console = Console()
    console.print(", ".join(f"{name} {value}" for name, value in about.items()), style="dim")
    console.print(table)
    if to is not None:
        figures = [{"what": what, "value": value, "unit": unit} for what, value, unit in rows]
        to.write_text(json.dumps({"title": title, "method": method, "machine": about, "figures": figures}, indent=2))

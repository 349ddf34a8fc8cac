"""A small installation for tests of Dagster: real checks of files and ports, and names Dagster does not like."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from monitoring_pipeline.clock import Clock, system_clock

__all__ = ["seconds_before_handover", "write_installation"]

CONFIG = """\
name: shop
stores: {{directory: {folder}/.busta}}
defaults: {{check: {{interval: 1s, retries: 0}}}}
components:
  data-platform: {{description: Databases, owner: platform}}
sources:
  - id: orders
    name: Orders database
    description: Where orders live.
    component: data-platform
    owner: platform team
    criticality: critical
    tags: [env:prod, "tier=1", "needs care!"]
    checks:
      - {{kind: file, path: {folder}/monitoring.yaml}}
      - {{kind: sql, url: "sqlite:///{folder}/orders.db", enabled: false}}
  - id: stock-levels
    component: data_platform
    owner: stock@example.com
    tags: [env:prod, env:eu]
    depends_on: [orders]
    checks: [{{kind: file, path: {folder}/missing.csv}}]
  - id: stock_levels
    component: data_platform
    depends_on: [orders, stock-levels]
    checks: [{{kind: file, path: {folder}/monitoring.yaml}}]
objectives:
  uptime: {{component: data_platform, target: 99%}}
"""


def write_installation(folder: Path) -> Path:
    """Writes monitoring.yaml: `orders` and `stock_levels` are healthy, `stock-levels` is critical."""
    path = folder / "monitoring.yaml"
    path.write_text(CONFIG.format(folder=folder))
    return path


def seconds_before_handover(seconds: float) -> Clock:
    """A clock that runs, and now shows that many seconds before a run ends: ten past the first minute of an hour,
    which is no source's minute to be reported again."""
    now = system_clock()
    shown = now.replace(minute=0, second=10, microsecond=0) + timedelta(hours=1, seconds=-seconds)
    offset = shown - now

    def clock() -> datetime:
        return system_clock() + offset

    return clock

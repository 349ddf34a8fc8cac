"""Whether anybody would hear of an alert: the channels, and what they could not deliver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.cli.examination import Finding, Patient, ok, problem, warning

if TYPE_CHECKING:
    from monitoring_pipeline.reports.channels import ChannelView

__all__ = ["channels"]

_SILENT = frozenset({"dashboard", "console"})


def channels(patient: Patient) -> Iterator[Finding]:
    """Whether there is a channel that leaves this machine, and whether each works."""
    if patient.config is None:
        return
    plan = patient.config.alerting
    if not any(channel.enabled and channel.kind not in _SILENT for channel in plan.channels.values()):
        yield warning(
            "alerts", "no channel tells anybody away from this machine",
            "configure one under `channels`; docs/channels.md lists the kinds",
        )  # fmt: skip
    if not plan.spec.enabled or not plan.spec.sending:
        yield warning("alerts", "nothing is sent: `alerting` switches it off", "take `enabled` or `sending` out there")
    for view in _views(patient):
        yield from _judged(view)


def _views(patient: Patient) -> list[ChannelView]:
    from monitoring_pipeline.reports.channels import channel_views
    from monitoring_pipeline.store.operational import OperationalStore

    config = patient.config
    assert config is not None and config.stores.operational is not None  # noqa: S101 - it is resolved
    url = config.stores.operational.get_secret_value()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return []
    store = OperationalStore.open(url, patient.now)
    try:
        return channel_views(store, config.alerting.channels, patient.now)
    finally:
        store.close()


def _judged(view: ChannelView) -> Iterator[Finding]:
    about = f"channel {view.name}"
    if view.dead:
        yield problem(
            about, f"{view.dead} messages were given up: {view.error or 'no reason is kept'}",
            "`busta notifications log --dead` lists them; mend the channel, then `busta notifications replay --dead`",
        )  # fmt: skip
    elif view.failures:
        yield warning(about, f"failed {view.failures} times in a row: {view.error}", f"busta channels test {view.name}")
    elif view.enabled and view.last_ok is None:
        yield warning(about, "was never proven to work", f"busta channels test {view.name}")
    elif view.enabled and view.last_ok is not None:
        yield ok(about, f"last proven working {view.last_ok:%Y-%m-%d %H:%M} UTC")

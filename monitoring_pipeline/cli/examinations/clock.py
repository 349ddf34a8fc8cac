"""Whether the machine's clock can be trusted: slots, ages and history hang on it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from datetime import timedelta

from monitoring_pipeline.cli.examination import Finding, Patient, ok, problem, warning

__all__ = ["stored_future", "synchronised"]

_TIMEX_BYTES = 512  # larger than `struct timex` on every platform
_TIME_ERROR = 5


def stored_future(patient: Patient) -> Iterator[Finding]:
    """Whether results were recorded at a time that has not come yet: the clock was set back."""
    from monitoring_pipeline.cli.output import local
    from monitoring_pipeline.store import states
    from monitoring_pipeline.store.operational import OperationalStore

    if patient.config is None or patient.config.stores.operational is None or not patient.directory.exists():
        return
    store = OperationalStore.open(patient.config.stores.operational.get_secret_value(), patient.now)
    try:
        with store.read() as connection:
            finished = [state.last_finished for state in states.check_states(connection).values()]
    finally:
        store.close()
    newest = max((moment for moment in finished if moment is not None), default=None)
    if newest is not None and newest > patient.now + timedelta(minutes=1):
        yield problem(
            "clock", f"the newest result is of {local(newest)}, now is {local(patient.now)}: the clock was set back",
            "set the clock; what lies ahead counts again once its time has come",
        )  # fmt: skip
    else:
        yield ok("clock", f"{local(patient.now)}, and no result lies ahead of it")


def synchronised(patient: Patient) -> Iterator[Finding]:
    """Whether the kernel knows that something keeps its clock right."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return
    if state == _TIME_ERROR:
        yield warning(
            "time service", "the kernel says that nothing keeps its clock right",
            "run chrony or systemd-timesyncd; in a container the host's service is enough",
        )  # fmt: skip
    elif state >= 0:
        yield ok("time service", "the clock is kept right")

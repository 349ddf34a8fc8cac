"""What runs in the child process: takes orders from a pipe, examines, answers, until the pipe closes.

Started as `python -c "...; main(FD)"`. One process serves many suites, for importing what judges them takes seconds.
"""

from __future__ import annotations

import contextlib
import os
from multiprocessing.connection import Connection
from pathlib import Path

from monitoring_pipeline.quality.examine import examine
from monitoring_pipeline.quality.outcome import Examination
from monitoring_pipeline.reach.child import die_with

__all__ = ["main"]

_NICENESS = 5
_FIRST_TO_GO = "500"


def main(pipe: int, parent: int) -> None:
    """Serves orders and ends the process, whatever threads are left."""
    die_with(parent)
    _step_back()
    with Connection(pipe) as line:
        while True:
            try:
                answer = _answered(line)
            except EOFError:
                os._exit(0)
            line.send(answer)


def _answered(line: Connection) -> Examination:
    try:
        order = line.recv()
    except EOFError:
        raise
    except Exception as error:
        # A kind of table that this process cannot import.
        return Examination(problem=f"the suite cannot be read: {type(error).__name__}: {error}")
    return examine(order)


def _step_back() -> None:
    """Checks have slots to meet, and when memory runs out it is this process that may go."""
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)

"""Makes the detector's machine code, once per installation: some ten seconds in which no check should have to wait.

    python -m monitoring_pipeline.analysis.scoring.machine_code

makes it where it is not there, and says so. `Beside` does that in a process of its own, for one that has other duties:
samples wait for their scores meanwhile, in the log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.detection.compiled import Made
from monitoring_pipeline.analysis.detection.step import advance
from monitoring_pipeline.analysis.scoring.roster import Name
from monitoring_pipeline.analysis.scoring.scorer import Scorer
from monitoring_pipeline.analysis.scoring.telling import admit, tell
from monitoring_pipeline.analysis.spec import AnalysisSpec

__all__ = ["AtOnce", "Beside", "Code", "load"]

log = structlog.get_logger(__name__)
_MODULE = "monitoring_pipeline.analysis.scoring.machine_code"
_NICE = 10
_MADE = Made(advance, admit, tell)


def load() -> None:
    """Loads the machine code, or makes it: takes a point of a series of its own."""
    scorer = Scorer(AnalysisSpec(), Calendar())
    number = scorer.roster.number(Name("nobody", "", "nothing"), "")
    for _ in scorer.run(np.array([number]), np.array([1]), np.array([0.0])):
        if not _MADE:
            _MADE.note()


class Code(Protocol):
    """Whether points can be scored without delay."""

    def begin(self) -> None:
        """Sees to it that they can be, soon."""

    def is_there(self) -> bool:
        """Whether they can be now."""


class AtOnce:
    """For who has nothing else to do: the code is made right where it is called."""

    def begin(self) -> None:
        load()

    def is_there(self) -> bool:
        return True


class Beside:
    """For who has: where there is no code, a process of its own makes it. Where none can be kept, it is made here."""

    def __init__(self) -> None:
        self._process: int | None = None

    def begin(self) -> None:
        if _MADE or _MADE.folder is None:
            load()
        elif self._process is None:
            log.info("the detector is compiled, once; samples are scored when that is done")
            self._process = _spawn()

    def is_there(self) -> bool:
        if self._process is not None:
            # If it could not make it, we shall see why.
            self._process = None if os.waitpid(self._process, os.WNOHANG)[0] else self._process
        return self._process is None


def _spawn() -> int:
    """Not a `subprocess`: it may outlive us, and nobody minds."""
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return os.posix_spawn(sys.executable, [sys.executable, "-m", _MODULE], environment, setpgroup=0)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes it; the others find it then."""
    with (folder / "busta-compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Makes the machine code, where it is not there and can be kept."""
    if _MADE or _MADE.folder is None:
        return
    os.nice(_NICE)
    _MADE.folder.mkdir(parents=True, exist_ok=True)
    with _alone(_MADE.folder):
        if not _MADE:
            sys.stdout.write("compiling the anomaly detector, once per installation: some ten seconds\n")
            sys.stdout.flush()
            load()


if __name__ == "__main__":
    main()

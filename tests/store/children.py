"""Processes that are killed at a step: forked from one that has imported everything, which takes half a second."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

__all__ = ["Children"]

_FORKS = """
import json, os, sys, traceback
import psycopg
import monitoring_pipeline.store.loading, monitoring_pipeline.store.operational, monitoring_pipeline.store.publishing

for line in sys.stdin:
    script, arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        sys.argv = ["-c", *arguments]
        try:
            exec(script, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Children:
    """Runs scripts one after the other, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._errors = folder / "errors.txt"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _FORKS], cwd=Path(__file__).parents[2], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def run(self, script: str, *arguments: str) -> int:
        """The exit code of a script, negative for the signal that killed it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([textwrap.dedent(script), arguments]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline() or "1")
        assert code <= 0, self._errors.read_text()
        return code

    def close(self) -> None:
        self._process.communicate()

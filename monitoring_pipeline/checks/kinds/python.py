"""`python`: what a callable of the operator's says, called in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from monitoring_pipeline.checks.check import Check, Measure, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.processes import Finished, describe_exit, run_bounded
from monitoring_pipeline.records import CheckType

__all__ = ["PythonCheck"]

_ANSWER_LIMIT = 1024 * 1024
_ROOT = Path(__file__).resolve().parents[3]
_CHILD = "monitoring_pipeline.reach.child"
_ENTRY = f"import sys; sys.path.append(sys.argv[1]); from {_CHILD} import main; main({{answer_fd}})"


class PythonCheck(Check):
    """Calls `package.module:function` with `args` in a fresh interpreter.

    It returns a bool, a number or a mapping of values, or raises: `SourceFailure` of
    `monitoring_pipeline.errors` says that the source is bad, anything else that the check is. A
    hang, a crash, `sys.exit` or a flood of prints stops only itself.
    """

    kind: Literal["python"]
    type: CheckType = CheckType.CUSTOM
    call: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", description="package.module:function"
    )
    args: Mapping[str, Any] = Field(default_factory=dict, description="Its keyword arguments.")
    path: tuple[Path, ...] = Field((), description="Folders to import from; relative to the configuration file.")
    memory_mb: int | None = Field(None, ge=64, description="Most address space it may take.")

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "value": ""}
    default_conditions: ClassVar[tuple[str, ...]] = ("ok == true",)
    timeout_is_failure: ClassVar[bool] = False
    remote: ClassVar[bool] = False

    @field_validator("path")
    @classmethod
    def _beside_the_configuration(cls, path: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        folder = (info.context or {}).get("folder")
        return tuple(Path(folder) / entry for entry in path) if folder else path

    async def probe(self, context: ProbeContext) -> Probe:
        """Calls it. Raises SourceFailure when it did, CheckError when it gave no proper answer."""
        finished = await self._run()
        answer = _read(self.call, finished)
        took = {"response_time_ms": finished.duration_ms, "duration_ms": finished.duration_ms}
        if "failure" in answer:
            raise SourceFailure(answer["failure"], values=took | answer["values"])
        if "error" in answer:
            raise CheckError(answer["error"])
        values = took | answer["values"]
        return Probe(values, _measures(answer["values"]), details=_details(answer["values"]))

    async def _run(self) -> Finished:
        request = {
            "call": self.call,
            "args": dict(self.args),
            "path": [str(entry.absolute()) for entry in self.path],
            "memory_mb": self.memory_mb,
            "parent": os.getpid(),
        }
        argv = [sys.executable, "-P", "-X", "faulthandler", "-c", _ENTRY, str(_ROOT)]
        return await run_bounded(argv, stdin=json.dumps(request, default=str).encode(), answer_limit=_ANSWER_LIMIT)


def _read(call: str, finished: Finished) -> dict[str, Any]:
    if finished.flooded:
        raise CheckError(f"{call} printed without end and was stopped")
    if finished.answer is None:
        raise CheckError(f"{call} returned more than {_ANSWER_LIMIT // 1024} KiB")
    try:
        answer: dict[str, Any] = json.loads(finished.answer)
    except ValueError:
        lines = finished.stderr.decode(errors="replace").strip().splitlines()
        why = f": {lines[-1][:300]}" if lines else ""
        raise CheckError(f"{call} ended its process with {describe_exit(finished.exit_code)}{why}") from None
    return answer


def _measures(values: Mapping[str, Any]) -> list[Measure]:
    """The numbers among the values become samples under their own names."""
    numbers = {name: value for name, value in values.items() if type(value) in (int, float)}
    return [Measure(name, float(number)) for name, number in numbers.items() if name not in PythonCheck.metrics]


def _details(values: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in values.items() if isinstance(value, (bool, int, float, str))}
    return {name: value[:200] if isinstance(value, str) else value for name, value in list(shown.items())[:20]}

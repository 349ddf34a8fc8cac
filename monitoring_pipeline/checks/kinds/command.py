"""`command`: the exit code and output of a program of the operator's."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.processes import Finished, describe_exit, run_bounded
from monitoring_pipeline.records import CheckType

__all__ = ["CommandCheck"]

_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SHELL")
_NAGIOS_OK, _NAGIOS_WARNING, _NAGIOS_CRITICAL = 0, 1, 2


class CommandCheck(Check):
    """Runs a program without a shell; off unless `execution.allow_commands` is true.

    The program sees PATH, HOME, the locale, the time zone and `env`, nothing else of our own
    environment. Output beyond `max_output` is dropped, and output without end ends the program.
    """

    kind: Literal["command"]
    type: CheckType = CheckType.CUSTOM
    argv: tuple[str, ...] = Field(min_length=1, description="The program and its arguments, one item each.")
    env: Mapping[str, SecretStr] = Field(default_factory=dict, description="Environment variables to add.")
    cwd: Path | None = Field(None, description="Where it runs; relative to the configuration file.")
    max_output: int = Field(65_536, ge=256, le=1_048_576, description="Bytes kept of each of its outputs.")
    nagios: bool = Field(False, description="Exit codes mean 0 ok, 1 warning, 2 critical, 3 unknown.")

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "exit_code": ""}
    default_conditions: ClassVar[tuple[str, ...]] = ("exit_code == 0",)
    timeout_is_failure: ClassVar[bool] = False
    remote: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _nagios_exit_codes(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("nagios") is True and not data.get("conditions"):
            return {**data, "conditions": [{"warning": f"exit_code != {_NAGIOS_WARNING}"}]}
        return data

    @field_validator("cwd")
    @classmethod
    def _beside_the_configuration(cls, cwd: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return Path(folder) / cwd if cwd is not None and folder else cwd

    async def probe(self, context: ProbeContext) -> Probe:
        """Runs the program. Raises CheckError when it may not or cannot be started."""
        if not context.allow_commands:
            raise CheckError("programs may not be started: set `execution.allow_commands: true` to allow it")
        finished = await self._run()
        values = _values(finished)
        if self.nagios:
            _judge(finished.exit_code, values)
        warnings = ("its output was longer than `max_output`; the rest was dropped",) if finished.cut else ()
        return Probe(values, details={"output": _first_line(values)}, warnings=warnings)

    async def _run(self) -> Finished:
        inherited = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}
        env = inherited | {name: value.get_secret_value() for name, value in self.env.items()}
        try:
            finished = await run_bounded(self.argv, env=env, cwd=self.cwd, max_output=self.max_output)
        except FileNotFoundError as error:
            what = "folder" if error.filename == self.cwd else "program"
            raise CheckError(f"there is no {what} {str(error.filename)!r}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CheckError(f"the program {self.argv[0]!r} cannot be started: {reason}") from None
        if finished.flooded:
            raise CheckError(f"the program {self.argv[0]!r} wrote without end and was killed")
        return finished


def _values(finished: Finished) -> dict[str, Any]:
    stdout = finished.stdout.decode(errors="replace")
    values: dict[str, Any] = {
        "exit_code": finished.exit_code,
        "stdout": stdout,
        "stderr": finished.stderr.decode(errors="replace"),
        "response_time_ms": finished.duration_ms,
        "duration_ms": finished.duration_ms,
    }
    with contextlib.suppress(ValueError, RecursionError):
        values["json"] = json.loads(stdout)
    return values


def _first_line(values: Mapping[str, Any]) -> str:
    text = (values["stdout"].strip() or values["stderr"].strip()).splitlines()
    return text[0][:500] if text else ""


def _judge(exit_code: int, values: Mapping[str, Any]) -> None:
    line = _first_line(values) or describe_exit(exit_code)
    if exit_code == _NAGIOS_CRITICAL:
        raise SourceFailure(line, values=values)
    if exit_code not in (_NAGIOS_OK, _NAGIOS_WARNING):
        raise CheckError(line)

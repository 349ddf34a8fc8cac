"""`busta doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import config_file, json_option

if TYPE_CHECKING:
    from monitoring_pipeline.cli.examination import Finding, Patient

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@click.command()
@json_option
def doctor(*, as_json: bool) -> int:
    """Examines this installation: each line is ok, a warning or a problem, with what to do.

    Exits with 0, 1 (there is a warning) or 2 (there is a problem).
    """
    from monitoring_pipeline.cli import output

    patient = _patient()
    found: list[Finding] = []
    console = output.console()
    for finding in _findings(patient):
        found.append(finding)
        if not as_json:
            console.print(_line(finding), soft_wrap=True)
    if as_json:
        findings = [
            {"verdict": each.verdict, "about": each.about, "message": each.message, "advice": each.advice}
            for each in found
        ]
        output.emit_json({"at": patient.now, "config": patient.path, "findings": findings})
    verdicts = {each.verdict for each in found}
    return exits.CRITICAL if "problem" in verdicts else exits.WARNING if "warning" in verdicts else exits.OK


def _patient() -> Patient:
    from monitoring_pipeline.cli.examination import Patient
    from monitoring_pipeline.clock import system_clock
    from monitoring_pipeline.config import load_config
    from monitoring_pipeline.errors import ConfigError

    path = config_file()
    try:
        config = load_config(path) if path.is_file() else None
    except ConfigError:
        config = None  # an examination tells what is wrong with it
    return Patient(path.absolute(), system_clock(), config)


def _findings(patient: Patient) -> Iterator[Finding]:
    from monitoring_pipeline.cli.examination import problem
    from monitoring_pipeline.cli.examinations import EXAMINATIONS

    for examine in EXAMINATIONS:
        name = examine.__name__.replace("_", " ")
        try:
            yield from examine(patient)
        except Exception as error:  # the others may still find the reason
            text = f"could not be examined: {type(error).__name__}: {error}"
            yield problem(name, patient.config.redact(text) if patient.config else text, "mend what is named above")


def _line(finding: Finding) -> object:
    from rich.text import Text

    line = Text.assemble((f"{finding.verdict.value:<8}", _STYLES[finding.verdict.value]), f"{finding.about}: ")
    line.append(finding.message)
    if finding.advice:
        line.append(f"\n        -> {finding.advice}", style="dim")
    return line

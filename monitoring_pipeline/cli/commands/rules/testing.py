"""`busta rules test`: tests of rules and routes, written in YAML, for a CI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import existing_config_file, json_option

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.rules.rule_tests import Outcome

__all__ = ["test"]


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@json_option
def test(files: tuple[Path, ...], *, as_json: bool) -> int:
    """Runs tests of rules and routes; exits with 1 when one of them fails.

    Each goes through the real evaluator and routes in a store of its own. Nothing is sent.

    \b
    tests:
      - name: a slow API pages after five minutes
        interval: 1m
        given:
          - {source: orders-api, metric: response_time_ms, values: 120x5 900x10}
        expect:
          - {at: 4m, rule: api-slow, source: orders-api, state: none}
          - {at: 12m, rule: api-slow, source: orders-api, state: firing, told: [pager]}

    \b
    A value is written `900`, `900x10` (ten times) or `_` (nothing recorded);
    `status: healthy x5 critical x3` gives results of a check instead of numbers.

    \b
    Example:
      busta rules test tests/alerts.yaml
    """
    from monitoring_pipeline.cli import output

    outcomes = _run(files)
    if as_json:
        output.emit_json({"tests": [{"name": each.name, "failures": list(each.failures)} for each in outcomes]})
    else:
        _print(outcomes)
    return exits.WARNING if any(outcome.failures for outcome in outcomes) else exits.OK


def _run(files: Sequence[Path]) -> list[Outcome]:
    from monitoring_pipeline.alerting.rules.rule_tests import Subject, run_cases
    from monitoring_pipeline.config import load_config

    config = load_config(existing_config_file())
    subject = Subject(config.alerting, config.sources, config.checks, config.name)
    return [outcome for file in files for outcome in run_cases(subject, _cases(file))]


def _cases(file: Path) -> Any:
    from monitoring_pipeline.alerting.rules.rule_tests import Document
    from monitoring_pipeline.config import load_document

    return load_document(file, Document).tests


def _print(outcomes: Sequence[Outcome]) -> None:
    from monitoring_pipeline.cli import output

    console = output.console()
    for outcome in outcomes:
        console.print(f"{'FAILED' if outcome.failures else 'ok    '}  {outcome.name}")
        for failure in outcome.failures:
            console.print(f"        {failure}")
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    console.print(f"{len(outcomes)} tests, {failed} failed")

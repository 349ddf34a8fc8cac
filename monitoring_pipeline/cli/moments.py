"""Moments and durations of the command line: `2h`, `14:30`, `2026-03-01 14:30`, `2026-03-01T14:30Z`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

__all__ = ["DURATION", "MOMENT", "ending", "until_options"]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
_CENTURY = timedelta(days=36_500)
_FORMS = "use 14:30, 2026-03-01, '2026-03-01 14:30', or ISO 8601 with a time zone such as 2026-03-01T14:30Z"


class _Duration(click.ParamType[timedelta, Any]):
    """A length of time that is more than nothing."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from monitoring_pipeline.clock import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            duration = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        except OverflowError:
            duration = timedelta.max
        if not timedelta(0) < duration <= _CENTURY:
            self.fail("it must be longer than nothing and shorter than a century", param, ctx)
        return duration


class _Moment(click.ParamType[datetime, Any]):
    """A moment, on this machine's clock where it names no time zone. A time alone is today's."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        if ":" in text and "-" not in text and "+" not in text and "T" not in text:
            text = f"{datetime.now().astimezone():%Y-%m-%d} {text}"
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is no moment; {_FORMS}", param, ctx)
        if not 1970 <= found.year < 3000:
            self.fail("it must lie between 1970 and 3000", param, ctx)
        if problem := _unclear(found):
            self.fail(f"{value!r} {problem}", param, ctx)
        return found.astimezone(UTC)


def _unclear(moment: datetime) -> str:
    """Why a moment without a zone is none, or two, on this machine's clock; empty where it is one."""
    if moment.tzinfo is not None:
        return ""
    first, second = (moment.replace(fold=fold).astimezone() for fold in (0, 1))
    if first == second:
        return ""
    if first.replace(tzinfo=None, fold=0) == moment:
        return f"comes twice when clocks go back: say {first.isoformat()} or {second.isoformat()}"
    return (
        f"is left out when clocks go forward: say {min(first, second).isoformat()} or another moment with a time zone"
    )


DURATION = _Duration()
MOMENT = _Moment()


def until_options(command: CommandT) -> CommandT:
    """Adds --for and --until, two ways to say when something ends."""
    for option in (
        click.option("--until", type=MOMENT, metavar="MOMENT", help="When it ends: 14:30, '2026-03-01 14:30'."),
        click.option("--for", "lasting", type=DURATION, metavar="DURATION", help="How long it lasts: 30m, 2h, 1d."),
    ):
        command = option(command)
    return command


def ending(lasting: timedelta | None, until: datetime | None, start: datetime) -> datetime | None:
    """The end that --for and --until name, None for neither."""
    if lasting is not None and until is not None:
        raise click.UsageError("--for and --until exclude each other")
    return until if lasting is None else start + lasting

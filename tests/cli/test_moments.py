"""Moments of the command line, on the clock of a machine whose clocks change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest

from monitoring_pipeline.cli.moments import MOMENT


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-25 01:59", datetime(2026, 10, 24, 23, 59, tzinfo=UTC)),
        ("2026-10-25 03:00", datetime(2026, 10, 25, 2, tzinfo=UTC)),
        ("2026-10-25T02:30+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC)),
    ],
)
def test_a_moment_is_one(text: str, moment: datetime) -> None:
    assert MOMENT.convert(text, None, None) == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "2026-10-25 02:30",
            "comes twice when clocks go back: say 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01",
        ),
        ("2026-03-29 02:30", "is left out when clocks go forward"),
    ],
)
def test_one_that_is_two_or_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(click.BadParameter, match=told.replace("+", r"\+")):
        MOMENT.convert(text, None, None)

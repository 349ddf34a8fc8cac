"""What a person reads about a strange point."""

import pytest

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.detection import sentence

_TUESDAY_14H = (20_571 * 24 + 14) * 3_600_000_000


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "expected"),
    [
        (812.0, 210.3, 339.8, "ms", "812 ms, expected 210-340 ms for Tue 14h"),
        (0.0123, 0.0010, 0.0042, "", "0.0123, expected 0.0010-0.0042 for Tue 14h"),
        (12.0, 42.0, 42.0, "rows", "12 rows, expected 42 rows for Tue 14h"),
        (1_234_567.0, 200_100.0, 310_900.0, "B", "1234567 B, expected 200000-310000 B for Tue 14h"),
        (5.0, float("nan"), float("nan"), "s", "5.0 s"),
    ],
)
def test_sentence(value: float, low: float, high: float, unit: str, expected: str) -> None:
    assert sentence(value, low, high, unit, _TUESDAY_14H) == expected


def test_hours_are_those_on_the_wall() -> None:
    assert sentence(1.0, 2.0, 3.0, "", _TUESDAY_14H, Calendar("Europe/Berlin")).endswith("for Tue 16h")

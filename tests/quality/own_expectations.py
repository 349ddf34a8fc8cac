"""An expectation of somebody's own, as a suite under test names it."""

from great_expectations.expectations.core import ExpectColumnValuesToBeBetween


class ExpectPercent(ExpectColumnValuesToBeBetween):
    """Values between 0 and 100."""

    min_value: float = 0
    max_value: float = 100

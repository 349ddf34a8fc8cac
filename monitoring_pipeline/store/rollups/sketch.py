"""A sketch of a distribution that can be merged: how many values lie in each of many narrow ranges.

The ranges grow by two percent from one to the next, so what is read from a sketch lies within one percent of a value
that has this rank, whatever was merged in whichever order. After Masson, Rim, Lee: DDSketch (VLDB 2019). In SQL it is
a MAP of range number to count; zero is range 0, negative values have negative numbers.
"""

from __future__ import annotations

__all__ = ["QUANTILES", "code", "quantiles", "value"]

QUANTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}

_GROWTH = 1.02
_TINY = 1e-9
# The first range begins at _TINY, which then has the number one.
_SHIFT = 1047


def code(expression: str) -> str:
    """The number of the range that holds a value. What is closer to zero than a billionth counts as zero."""
    number = f"(ceil(ln(abs({expression})) / ln({_GROWTH}))::INTEGER + {_SHIFT})"
    return f"CASE WHEN abs({expression}) <= {_TINY} THEN 0 ELSE sign({expression})::INTEGER * {number} END"


def value(number: str) -> str:
    """The value that stands for a range: nowhere more than one percent from any value in it."""
    middle = f"pow({_GROWTH}, abs({number}) - {_SHIFT}) * {2 / (1 + _GROWTH)!r}"
    return f"CASE WHEN {number} = 0 THEN 0.0 ELSE sign({number}) * {middle} END"


def quantiles(entries: str, keys: str) -> str:
    """A query for the merged sketch and its quantiles per `keys`.

    `entries` is a query with the keys, `code` and `n` (how often), whose rows may repeat a code. The columns are the
    keys, `sketch`, and `p25`, `p50`, `p75`, `p95`, `p99`.
    """
    found = ", ".join(
        f"min(likely) FILTER (upto > {share} * (total - 1)) AS {name}" for name, share in QUANTILES.items()
    )
    return f"""
        SELECT {keys}, map_from_entries(list((code, n) ORDER BY code)) AS sketch, {found}
        FROM (
            SELECT *, {value("code")} AS likely, sum(n) OVER (PARTITION BY {keys} ORDER BY code) AS upto,
                   sum(n) OVER (PARTITION BY {keys}) AS total
            FROM (SELECT {keys}, code, sum(n)::UINTEGER AS n FROM ({entries}) GROUP BY ALL)
        ) GROUP BY {keys}
    """  # noqa: S608 - names of our own

"""The six dimensions of data quality, and which of them an expectation speaks of unless its suite says."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["Dimension", "dimension_of"]


class Dimension(StrEnum):
    """One side of the question whether data are good."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    UNIQUENESS = "uniqueness"
    CONSISTENCY = "consistency"
    TIMELINESS = "timeliness"
    ACCURACY = "accuracy"


# The first that fits decides; what fits none is about the validity of values.
_BY_NAME = (
    (re.compile(r"unique"), Dimension.UNIQUENESS),
    (re.compile(r"null|row_count"), Dimension.COMPLETENESS),
    (re.compile(r"_pair_|_multicolumn_|_table_|unexpected_rows|column_to_exist|increasing|decreasing"),
     Dimension.CONSISTENCY),
    (re.compile(r"_(mean|median|stdev|sum|quantile_values|most_common_value|max|min)_to_|z_scores|outliers|kl_diverg"),
     Dimension.ACCURACY),
)  # fmt: skip


def dimension_of(expectation: str) -> Dimension:
    """The dimension of an expectation type that names none."""
    return next((dimension for pattern, dimension in _BY_NAME if pattern.search(expectation)), Dimension.VALIDITY)

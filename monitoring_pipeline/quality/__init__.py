"""Is the data good? Suites of expectations on tables, their profiles, and scores from 0 to 100.

`run.py` is the door. `table.py` is the contract of kinds of tables, `validator.py` that of other people's frameworks.
Whether a source answers at all is the business of `checks`, who is told of `alerting`.
"""

from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.outcome import Finding
from monitoring_pipeline.quality.validator import DataSourceValidator, Measurement

__all__ = ["DataSourceValidator", "Dimension", "Finding", "Measurement"]

"""Is the data good? Suites of expectations on tables, their profiles, and scores from 0 to 100.

`run.py` is the door. Whether a source answers at all is the business of `checks`, who is told of `alerting`.
"""

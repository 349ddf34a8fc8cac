"""From a result to the right person: rules -> transitions -> stages -> notifications -> channels.

`run.py` is the front door: `judge` inside the transaction that records results, `deliver` beside it.
`rule.py` and `condition.py` say when to alert, `life.py` what happens to an alert, `stages/` who hears
of it, `outbox.py` and `channels/` how. What a check is or how it is executed does not belong here.
"""

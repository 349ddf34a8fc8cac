"""From a result to the right person: rules -> transitions -> stages -> notifications -> channels.

`run.py` is the front door: `judge` inside the transaction that records results, `work` beside it.
`rules/` says when to alert and what happens to an alert, `stages/` (listed in `pipeline.py`) who hears of it
and when, `people/` whom that means, `delivery/` how it gets there. `actions.py` is what people do to alerts.
What a check is or how it is executed does not belong here.
"""

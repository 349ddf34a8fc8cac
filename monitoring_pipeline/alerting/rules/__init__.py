"""When to alert: rules, their conditions, what these ask of the data, and the life of an alert.

`rule.py` and `condition.py` are the contracts, `conditions/` has one kind per file, `evaluate.py` is the door:
it evaluates instances inside a transaction. `observe.py` answers queries set-wise, `reference.py` says what the
answers mean. Who hears of an alert does not belong here.
"""

"""Is the source up? Check kinds, conditions, slots, circuit breaker: one probe, and when to run it.

`check.py` is the contract of a kind and `kinds/` holds one kind per file; `execute.py` runs one
check once, `run.py` is the front door that serves all slots of a stretch of time. What a result
means for alerts, and the quality of the data itself, live in other rooms.
"""

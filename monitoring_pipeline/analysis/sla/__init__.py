"""Is the promise kept? Time and events sorted into good, bad, unknown and excluded, and what follows from that.

Here: exact arithmetic on stretches of time (`spans`), periods of the calendar (`periods`), what was good and bad
(`account`), error budgets and their forecast (`budget`), how often things fail and how long that lasts
(`reliability`). All of it is pure. The front door that reads and writes is `run`. What people decided afterwards
is in `corrections`. Not here: SQL, configuration files, tables on a terminal.
"""

"""Scores samples against what is normal for their series, as they come and again over history.

`scorer.py` is pure: rows of samples in, scores and events out. `online.py` is the door that follows the log of
samples inside the transactions of others; `relearning.py` goes through history again. What is strange is decided in
`detection`, one floor of thought below; whom it concerns is decided by rules.
"""

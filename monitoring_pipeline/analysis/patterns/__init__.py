"""Patterns in failures: what repeats, clusters, goes together or announces itself.

`pattern.py` is the contract: what a pattern tells and how chance is kept out. One kind of pattern per file,
each a function from failures to patterns with p-values. `find.py` is the front door: it asks them all and
keeps what false discovery control leaves. What a pattern predicts is in `analysis.prediction`.
"""

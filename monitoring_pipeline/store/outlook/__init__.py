"""What trends, forecasts and predictions read of history, and where their results are kept.

`inputs.py` reads numbers in equal steps, changes of status and counts of results, as arrays; `results.py` writes
what was computed of them into the warehouse, a period at a time, and reads it from the published copy.
"""

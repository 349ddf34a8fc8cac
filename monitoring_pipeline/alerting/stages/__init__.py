"""The stages of the alert policy, one per file.

Their order is in `alerting/pipeline.py`, their contract in `alerting/stage.py`.
"""

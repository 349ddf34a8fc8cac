"""One database dialect per file, for probes: `connect(target, opened) -> Session`.

Each enforces read-only access and a statement time-out in its own way, and sorts its driver's
errors: what the source did wrong (SourceFailure) and what the check did wrong (CheckError). The
door is `reach/database.py`.
"""

"""What do collectors report? The client that reports attempts, and what is made of them here.

What this package's name gives is the client: it needs the standard library only, so that any collector can import
it. `spec.py` is the contract of `collectors:`, `run.py` the door by which attempts come in, `health.py` judges.
Not here: probing sources (checks) and looking at their data (quality).
"""

from monitoring_pipeline.collection.attempt import CollectionResult
from monitoring_pipeline.collection.collecting import Collecting
from monitoring_pipeline.collection.tracking import (
    CollectionTracker,
    collecting,
    collector,
    flush_collection_attempts,
    track_collection_attempt,
)

__all__ = [
    "Collecting",
    "CollectionResult",
    "CollectionTracker",
    "collecting",
    "collector",
    "flush_collection_attempts",
    "track_collection_attempt",
]

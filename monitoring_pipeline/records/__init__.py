"""The nouns of the house: frozen dataclasses and enums that every room shares.

No I/O, no configuration parsing and no SQL here. A noun that only one room uses lives in that room.
"""

from monitoring_pipeline.records.alert import Alert, AlertMode, AlertState, Severity, Transition
from monitoring_pipeline.records.collection import CollectionAttempt, CollectionCheck
from monitoring_pipeline.records.event import Event
from monitoring_pipeline.records.ledger import LedgerEntry, Reclassified
from monitoring_pipeline.records.quality import QualityRun
from monitoring_pipeline.records.result import Gap, GapReason, Result, Sample, Skip
from monitoring_pipeline.records.source import Component, Criticality, Source
from monitoring_pipeline.records.state import BreakerState, CheckState, SourceState
from monitoring_pipeline.records.status import CheckType, Status, worst

__all__ = [
    "Alert",
    "AlertMode",
    "AlertState",
    "BreakerState",
    "CheckState",
    "CheckType",
    "CollectionAttempt",
    "CollectionCheck",
    "Component",
    "Criticality",
    "Event",
    "Gap",
    "GapReason",
    "LedgerEntry",
    "QualityRun",
    "Reclassified",
    "Result",
    "Sample",
    "Severity",
    "Skip",
    "Source",
    "SourceState",
    "Status",
    "Transition",
    "worst",
]

"""When sources were away for maintenance: windows of the configuration, and what people announced.

Announcing helps from the moment it is done: what lies before it was not agreed, and is for the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from monitoring_pipeline.alerting.people.windows import between
from monitoring_pipeline.alerting.selector import Matcher, Selector
from monitoring_pipeline.alerting.spec import MaintenanceSpec
from monitoring_pipeline.records import Source
from monitoring_pipeline.store import silences
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.silences import SilenceKind

__all__ = ["Absences"]

_MOST = 100_000


@dataclass(frozen=True)
class Absences:
    """Answers when a source was away. Announcements are read once, at the first question."""

    store: OperationalStore
    specs: Sequence[MaintenanceSpec]

    def __call__(self, source: Source, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Stretches that touch [start, end); they may overlap."""
        found = [(window.start, window.end) for window in between(self.specs, source, start, end)]
        for selector, begins, ends in self._announced:
            if begins < end and (ends is None or ends > start) and selector.admits(source):
                found.append((begins, end if ends is None else ends))
        return [(begins, ends) for begins, ends in found if begins < ends]

    @cached_property
    def _announced(self) -> list[tuple[Selector, datetime, datetime | None]]:
        with self.store.read() as connection:
            known = silences.find(connection, kind=SilenceKind.MAINTENANCE, limit=_MOST)
        return [
            (Selector.model_validate(each.matchers), max(each.starts, each.created), each.ends)
            for each in known
            if each.matchers.keys() <= Matcher.model_fields.keys() & Selector.model_fields.keys()
        ]

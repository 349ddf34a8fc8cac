"""Who is on call, and when maintenance is: what the configuration says, with what people did by command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.alerting.people import oncall, windows
from monitoring_pipeline.alerting.people.oncall import Shift
from monitoring_pipeline.alerting.people.windows import Window
from monitoring_pipeline.alerting.spec import MaintenanceSpec, Plan, RotaSpec
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.overrides import Override, list_overrides

__all__ = ["Coming", "Duty", "duty"]

_BEFORE = timedelta(days=1)
_COMING = 5


@dataclass(frozen=True, slots=True)
class Coming:
    """A maintenance window that is open or comes next, and what configures it."""

    spec: MaintenanceSpec
    window: Window


@dataclass(frozen=True, slots=True)
class Duty:
    """What holds around one moment. `overrides` are those by command that are in force then or later."""

    plan: Plan
    overrides: tuple[Override, ...]
    at: datetime

    def on_call(self, rota: str | None = None) -> dict[str, Shift | None]:
        """Who is on call, per rota; None for nobody. Raises NotFound."""
        return {name: oncall.on_call(spec, self._of(name), self.at) for name, spec in self._rotas(rota).items()}

    def shifts(self, ahead: timedelta, rota: str | None = None) -> dict[str, list[Shift]]:
        """The schedule from that moment on, per rota. Raises NotFound."""
        until = self.at + ahead
        return {name: oncall.shifts(spec, self._of(name), self.at, until) for name, spec in self._rotas(rota).items()}

    def coming(self) -> list[Coming]:
        """The next windows of everything that is configured, by begin."""
        found = [Coming(spec, each) for spec in self.plan.maintenance for each in self._next(spec)]
        return sorted(found, key=lambda each: each.window.start)

    def problems(self) -> list[str]:
        """What keeps windows from ever opening, in sentences."""
        return [problem for spec in self.plan.maintenance for problem in windows.problems(spec)]

    def _next(self, spec: MaintenanceSpec) -> Iterable[Window]:
        return windows.upcoming(spec, self.at, _COMING)

    def _of(self, rota: str) -> list[Override]:
        return [each for each in self.overrides if each.rota == rota]

    def _rotas(self, rota: str | None) -> dict[str, RotaSpec]:
        if rota is not None and rota not in self.plan.rotas:
            raise NotFound("rota", rota, self.plan.rotas)
        return {name: spec for name, spec in self.plan.rotas.items() if rota in (None, name)}


def duty(store: OperationalStore, plan: Plan, at: datetime) -> Duty:
    """What holds around a moment."""
    with store.read() as connection:
        return Duty(plan, tuple(list_overrides(connection, since=at - _BEFORE)), at)

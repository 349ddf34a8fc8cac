"""The life of an alert as one pure function: what was observed, and when, moves it from state to state.

    none ──► pending ──► firing ◄──► suppressed        (muting and its end are the stages' doing)
                │          │  ▲           │
                ▼          ▼  │           ▼
            resolved ◄── acknowledged ─► resolved

`advance` knows no store: it gets the open alert's row, or None, and answers the row as it should be, with
what changed. All moments are microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from monitoring_pipeline.alerting.rules.condition import Observation, Truth
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.records import AlertState, Severity

__all__ = ["UNKNOWN", "Change", "Moved", "Reason", "advance", "close", "level_of"]

Row = dict[str, Any]
UNKNOWN: Literal["unknown"] = "unknown"
Level = Severity | None | Literal["unknown"]
_ACTIVE = frozenset(state.value for state in AlertState if state.is_active)
_SECOND = timedelta(seconds=1)


class Reason(StrEnum):
    """Why an alert changed."""

    HOLDS = "holds"
    FIRED = "fired"
    WORSE = "worse"
    BETTER = "better"
    FLAPPING = "flapping"
    UNACKNOWLEDGED = "unacknowledged"
    DID_NOT_LAST = "did_not_last"
    CLEARED = "cleared"
    RULE_GONE = "rule_gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One transition to be."""

    before: AlertState | None
    after: AlertState
    severity: Severity
    reason: Reason
    text: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The row as it should be (None: there is no alert and none begins), and the transitions on the way."""

    row: Row | None
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class _Life:
    """One call's working copy."""

    rule: Rule
    row: Row
    now: int
    changes: list[Change] = field(default_factory=list)

    def to(self, state: AlertState, reason: Reason, text: str = "") -> None:
        before = AlertState(self.row["state"]) if self.changes or self.row.get("id") else None
        self.row["state"] = state.value
        self.changes.append(Change(before, state, Severity(self.row["severity"]), reason, text or self.row["text"]))


def level_of(rule: Rule, truths: Mapping[Severity | None, Truth], held: Severity | None) -> Level:
    """The worst severity that holds, None where nothing does, UNKNOWN where that cannot be told.

    With `unknown: keep`, a severity at which the alert stands stays while nobody knows better.
    """
    known = {severity or rule.severity: _as_configured(rule, truth) for severity, truth in truths.items()}
    holding = [severity for severity, truth in known.items() if truth]
    worst = max(holding, key=lambda severity: severity.rank, default=None)
    if held is not None and known.get(held, False) is None and (worst is None or worst.rank < held.rank):
        return UNKNOWN
    if worst is None and any(truth is None for truth in known.values()):
        return UNKNOWN
    return worst


def _as_configured(rule: Rule, truth: Truth) -> Truth:
    return {"keep": None, "clear": False, "fire": True}[rule.unknown] if truth is None else truth


def advance(
    rule: Rule,
    row: Mapping[str, Any] | None,
    observation: Observation,
    past: Sequence[tuple[int, int | None]],
    now: int,
    *,
    born: Mapping[str, Any] | None = None,
) -> Moved:
    """What an observation makes of an alert.

    `past` are the moments at which earlier alerts of the fingerprint fired and were resolved; `born` are
    the columns of a new alert that come from its subject.
    """
    held = Severity(row["severity"]) if row is not None else None
    level = level_of(rule, observation.truths, held)
    if row is None:
        return Moved(None) if level is None or level == UNKNOWN else _begin(rule, level, observation, past, now, born)
    life = _Life(rule, dict(row), now)
    _unacknowledge(life)
    if level == UNKNOWN:
        life.row["unknown_since"] = life.row["unknown_since"] or now
    elif level is None:
        _clears(life, past)
    else:
        _holds(life, level, observation, past)
    life.row["due"] = _due(life, past)
    return Moved(life.row, tuple(life.changes))


def close(row: Mapping[str, Any], reason: Reason, now: int) -> Moved:
    """Ends an alert whatever is observed."""
    state, severity = AlertState(row["state"]), Severity(row["severity"])
    change = Change(state, AlertState.RESOLVED, severity, reason, row["text"])
    return Moved({**row, "state": AlertState.RESOLVED.value, **_over(reason, now)}, (change,))


def _begin(
    rule: Rule, level: Severity, observation: Observation, past: Sequence[tuple[int, int | None]], now: int,
    born: Mapping[str, Any] | None,
) -> Moved:  # fmt: skip
    row = {
        **_EMPTY, **(born or {}), "rule": rule.id, "severity": level.value, "state": AlertState.PENDING.value,
        "mode": "shadow" if rule.mode == "shadow" else "active", "started": now, "text": observation.text,
        "value": observation.value,
    }  # fmt: skip
    life = _Life(rule, row, now)
    if now >= _ripe(life, past):
        _fire(life)
    else:
        life.to(AlertState.PENDING, Reason.HOLDS)
    row["due"] = _due(life, past)
    return Moved(row, tuple(life.changes))


def _holds(life: _Life, level: Severity, observation: Observation, past: Sequence[tuple[int, int | None]]) -> None:
    row = life.row
    row.update(text=observation.text, value=observation.value, unknown_since=None)
    if row["clear_since"] is not None:
        row.update(clear_since=None, count=row["count"] + 1)
    worse = _shift(life, level)
    if row["state"] == AlertState.PENDING.value:
        if life.now >= _ripe(life, past):
            _fire(life)
    elif worse is not None:
        # What somebody acknowledged was something lesser.
        acknowledged = row["state"] == AlertState.ACKNOWLEDGED.value and worse is Reason.WORSE
        after = AlertState.FIRING if acknowledged else AlertState(row["state"])
        life.to(after, worse)
        if acknowledged:
            row.update(acknowledged=None, acknowledged_by="", acknowledged_until=None)


def _shift(life: _Life, level: Severity) -> Reason | None:
    """Lets the severity follow once the other level has lasted as well; answers how it moved, if it did."""
    row = life.row
    stands = Severity(row["severity"])
    if level is stands:
        row.update(shift_since=None, shift_to=None)
        return None
    direction = Reason.WORSE if level.rank > stands.rank else Reason.BETTER
    if row["shift_to"] != direction.value:
        row.update(shift_since=life.now, shift_to=direction.value)
    wait = life.rule.hold if direction is Reason.WORSE else life.rule.clear_for
    if life.now < row["shift_since"] + _us(wait):
        return None
    row.update(severity=level.value, shift_since=None, shift_to=None)
    return direction


def _clears(life: _Life, past: Sequence[tuple[int, int | None]]) -> None:
    row = life.row
    row.update(unknown_since=None, shift_since=None, shift_to=None)
    if row["state"] == AlertState.PENDING.value:
        _resolve(life, Reason.DID_NOT_LAST)
        return
    if row["clear_since"] is None:
        row["clear_since"] = life.now
        if not row["flapping"] and _is_flapping(life, past):
            row["flapping"] = True
            life.to(AlertState(row["state"]), Reason.FLAPPING)
    if life.now >= row["clear_since"] + _calm(life):
        _resolve(life, Reason.CLEARED)


def _is_flapping(life: _Life, past: Sequence[tuple[int, int | None]]) -> bool:
    spec = life.rule.flapping
    if spec is None:
        return False
    recent = [fired for fired, _ in past if fired > life.now - _us(spec.within) and fired != life.row["fired"]]
    return len(recent) + int(life.row["count"]) >= spec.times


def _calm(life: _Life) -> int:
    spec = life.rule.flapping
    quiet = spec.calm if spec is not None and life.row["flapping"] else timedelta()
    return _us(max(life.rule.clear_for, quiet))


def _fire(life: _Life) -> None:
    life.row["fired"] = life.now
    life.to(AlertState.FIRING, Reason.FIRED)


def _resolve(life: _Life, reason: Reason) -> None:
    life.to(AlertState.RESOLVED, reason)
    life.row.update(_over(reason, life.now))


def _over(reason: Reason, now: int) -> Row:
    return {"resolved": now, "resolution": reason.value, "open_key": None, "suppressed_by": "", "due": None}


def _unacknowledge(life: _Life) -> None:
    until = life.row["acknowledged_until"]
    if life.row["state"] == AlertState.ACKNOWLEDGED.value and until is not None and life.now >= until:
        life.to(
            AlertState.FIRING, Reason.UNACKNOWLEDGED, f"the acknowledgement of {life.row['acknowledged_by']} ran out"
        )
        life.row.update(acknowledged=None, acknowledged_by="", acknowledged_until=None)


def _ripe(life: _Life, past: Sequence[tuple[int, int | None]]) -> int:
    """When a pending alert may fire: it lasted long enough, and the cooldown after the last one is over."""
    ended = max((resolved for _, resolved in past if resolved is not None), default=None)
    cooled = 0 if ended is None else ended + _us(life.rule.cooldown)
    return max(int(life.row["started"]) + _us(life.rule.hold), cooled)


def _due(life: _Life, past: Sequence[tuple[int, int | None]]) -> int | None:
    row = life.row
    if row["state"] == AlertState.RESOLVED.value:
        return None
    clocks = []
    if row["state"] == AlertState.PENDING.value and row["unknown_since"] is None:
        clocks.append(_ripe(life, past))
    if row["state"] == AlertState.ACKNOWLEDGED.value and row["acknowledged_until"] is not None:
        clocks.append(row["acknowledged_until"])
    if row["unknown_since"] is None and row["state"] in _ACTIVE:
        if row["clear_since"] is not None:
            clocks.append(row["clear_since"] + _calm(life))
        if row["shift_since"] is not None:
            wait = life.rule.hold if row["shift_to"] == Reason.WORSE.value else life.rule.clear_for
            clocks.append(row["shift_since"] + _us(wait))
    return min(clocks, default=None)


def _us(duration: timedelta) -> int:
    return round(duration / _SECOND * 1_000_000)


_EMPTY: Row = {
    "open_key": None, "check_id": "", "component": "", "fired": None, "acknowledged": None, "acknowledged_by": "",
    "acknowledged_until": None, "resolved": None, "resolution": "", "summary": "", "text": "", "value": None,
    "count": 1, "flapping": False, "suppressed_by": "", "labels": "{}", "annotations": "{}", "clear_since": None,
    "unknown_since": None, "shift_since": None, "shift_to": None, "due": None,
}  # fmt: skip

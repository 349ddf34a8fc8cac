"""Groups of alerts that are told together, their members, and what each member was last told as.

A group lives from its first alert until the last one is over and that was told; the next one of the same
route and labels has another key. So a key names one episode: nothing of an earlier one is taken for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, delete, exists, func, insert, or_, select, update

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.records import AlertMode, AlertState, Severity
from monitoring_pipeline.store.tables import alerts, groups, memberships, meta, transitions

__all__ = [
    "Agenda",
    "Group",
    "Member",
    "agenda",
    "group_key",
    "open_groups",
    "rename_mutes",
    "resolved_since",
    "save",
    "unmuted_among",
]

Row = dict[str, Any]
_GROUPS = select(groups)
_MEMBERS = select(memberships).order_by(memberships.c.alert_id)
_CHUNK = 500
_LONGEST_KEY = 200  # PagerDuty takes 255 characters


@dataclass(slots=True)
class Member:
    """One alert in a group; `told_state` and `told_severity` are those of the last message, None without one."""

    alert: int
    joined: datetime
    told_state: AlertState | None = None
    told_severity: Severity | None = None
    stored: Row | None = None

    @property
    def is_told(self) -> bool:
        """Whether a message had it."""
        return self.told_state is not None


@dataclass(slots=True)
class Group:
    """Alerts of one route with the same labels. `labels` is the text that says which."""

    key: str
    route: str
    mode: AlertMode
    labels: str
    created: datetime
    flush_at: datetime | None = None
    flushed_at: datetime | None = None
    notified_at: datetime | None = None
    sequence: int = 0
    members: dict[int, Member] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    stored: Row | None = None

    @property
    def identity(self) -> tuple[str, AlertMode, str]:
        """What at most one open group has."""
        return self.route, self.mode, self.labels

    def leave(self, alert_id: int) -> None:
        """An alert is no member any more."""
        if self.members.pop(alert_id).stored is not None:
            self.gone.add(alert_id)


def group_key(route: str, mode: AlertMode, labels: str, first_alert: int) -> str:
    """The key of a new group, readable and of at most 200 characters."""
    key = f"{route}/{labels}#{first_alert}" + ("" if mode is AlertMode.ACTIVE else f"/{mode}")
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: _LONGEST_KEY - 17]}~{digest}"


def open_groups(connection: Connection) -> dict[str, Group]:
    """All groups with their members, by key."""
    found = {row["key"]: _group(row) for row in _rows(connection, _GROUPS)}
    for row in _rows(connection, _MEMBERS):
        if row["group_key"] in found:
            found[row["group_key"]].members[row["alert_id"]] = _member(row)
    return found


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Row]:
    # Half the price of SQLAlchemy's own mappings, which counts: groups are read in every pass.
    names = [column.name for column in query.selected_columns]
    return (dict(zip(names, row, strict=True)) for row in connection.execute(query))


def save(connection: Connection, changed: Iterable[Group]) -> None:
    """Writes what changed in groups and their members; a group without members is removed."""
    every = list(changed)
    kept = [group for group in every if group.members]
    empty = [group.key for group in every if not group.members and group.stored is not None]
    _write(connection, groups, ("key",), [(group, _group_row(group)) for group in kept])
    pairs = [(member, _member_row(group, member)) for group in kept for member in group.members.values()]
    _write(connection, memberships, ("group_key", "alert_id"), pairs)
    _remove_members(connection, [(group.key, alert) for group in every for alert in group.gone])
    if empty:
        keys = [{"of": key} for key in empty]
        connection.execute(delete(memberships).where(memberships.c.group_key == bindparam("of")), keys)
        connection.execute(delete(groups).where(groups.c.key == bindparam("of")), keys)


@dataclass(frozen=True, slots=True)
class Agenda:
    """What the stages may have to do: take transitions, flush a group at `flush_at`, ask again what mutes alerts."""

    moved: bool
    flush_at: datetime | None
    asked: datetime | None
    is_open: bool


_AGENDA = select(
    exists().where(transitions.c.handled.is_(None)),
    select(func.min(groups.c.flush_at)).scalar_subquery(),
    select(meta.c.value).where(meta.c.key == bindparam("asked_key")).scalar_subquery(),
    or_(
        exists().where(alerts.c.state.in_([AlertState.FIRING.value, AlertState.SUPPRESSED.value])),
        exists().where(groups.c.key.is_not(None)),
    ),
)


def agenda(connection: Connection, asked_key: str) -> Agenda:
    """Everything in one cheap query; `asked_key` is where the moment of the last asking is remembered."""
    moved, flush_at, asked, is_open = connection.execute(_AGENDA, {"asked_key": asked_key}).one()
    return Agenda(
        bool(moved), from_us_or_none(flush_at), from_us_or_none(None if asked is None else int(asked)), bool(is_open)
    )


def resolved_since(connection: Connection, since: datetime) -> list[int]:
    """Alerts whose end the stages took after a moment."""
    query = select(transitions.c.alert_id).where(
        transitions.c.handled > to_us(since), transitions.c.after == AlertState.RESOLVED.value
    )
    return list(dict.fromkeys(connection.execute(query).scalars()))


def rename_mutes(connection: Connection, reasons: Sequence[tuple[int, str]]) -> None:
    """Suppressed alerts are muted by something else than before."""
    if reasons:
        connection.execute(
            update(alerts)
            .where(alerts.c.id == bindparam("of"), alerts.c.state == AlertState.SUPPRESSED.value)
            .values(suppressed_by=bindparam("why")),
            [{"of": alert, "why": why} for alert, why in reasons],
        )


def unmuted_among(connection: Connection, alert_ids: Collection[int]) -> set[int]:
    """Those of some alerts that were muted once and then no longer."""
    wanted = sorted(alert_ids)
    found: set[int] = set()
    for start in range(0, len(wanted), _CHUNK):
        query = select(transitions.c.alert_id).where(
            transitions.c.alert_id.in_(wanted[start : start + _CHUNK]),
            transitions.c.before == AlertState.SUPPRESSED.value,
            transitions.c.after == AlertState.FIRING.value,
        )
        found.update(connection.execute(query).scalars())
    return found


def _group(row: Row) -> Group:
    return Group(
        row["key"], row["route"], AlertMode(row["mode"]), row["labels"], from_us(row["created"]),
        from_us_or_none(row["flush_at"]), from_us_or_none(row["flushed_at"]),
            from_us_or_none(row["notified_at"]), row["sequence"], stored=row,
    )  # fmt: skip


def _member(row: Row) -> Member:
    state, severity = row["told_state"], row["told_severity"]
    return Member(
        row["alert_id"], from_us(row["joined"]), AlertState(state) if state else None,
        Severity(severity) if severity else None, row,
    )  # fmt: skip


def _group_row(group: Group) -> Row:
    return {
        "key": group.key, "route": group.route, "mode": group.mode.value, "labels": group.labels,
        "created": to_us(group.created), "flush_at": _us(group.flush_at), "flushed_at": _us(group.flushed_at),
        "notified_at": _us(group.notified_at), "sequence": group.sequence,
    }  # fmt: skip


def _member_row(group: Group, member: Member) -> Row:
    return {
        "group_key": group.key, "alert_id": member.alert, "joined": to_us(member.joined),
        "told_state": member.told_state.value if member.told_state else None,
        "told_severity": member.told_severity.value if member.told_severity else None,
    }  # fmt: skip


def _write(
    connection: Connection, table: Table, keys: Sequence[str], found: Sequence[tuple[Group | Member, Row]]
) -> None:
    """Inserts rows that were never stored and updates those that differ."""
    new = [row for each, row in found if each.stored is None]
    moved = [row for each, row in found if each.stored is not None and each.stored != row]
    if new:
        connection.execute(insert(table), new)
    if moved:
        statement = update(table).where(*(table.c[key] == bindparam(f"of_{key}") for key in keys))
        values: dict[str, Any] = {
            column.name: bindparam(column.name) for column in table.columns if column.name not in keys
        }
        connection.execute(statement.values(values), [_renamed(row, keys) for row in moved])
    for each, row in found:
        each.stored = row


def _renamed(row: Mapping[str, Any], keys: Sequence[str]) -> Row:
    return {f"of_{name}" if name in keys else name: value for name, value in row.items()}


def _remove_members(connection: Connection, gone: Sequence[tuple[str, int]]) -> None:
    if gone:
        connection.execute(
            delete(memberships).where(
                memberships.c.group_key == bindparam("of_group"), memberships.c.alert_id == bindparam("of_alert")
            ),
            [{"of_group": key, "of_alert": alert} for key, alert in gone],
        )


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)

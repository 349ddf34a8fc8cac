"""What one part of a configuration says about another: lineage, prerequisites, composites, cron."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from monitoring_pipeline.checks.check import Check
from monitoring_pipeline.config.nodes import Fields, Items, Node, Scalar
from monitoring_pipeline.config.problems import Problems, choices, hint, quoted

__all__ = ["Built", "BuiltCheck", "check_cron", "check_references", "find_cycles"]

_EXAMPLE_START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BuiltCheck:
    """A check that passed validation, and where it was written."""

    key: str
    check: Check
    fields: Fields


@dataclass(frozen=True, slots=True)
class Built:
    """A source with its checks. `known` names all its checks, those with mistakes included."""

    id: str
    depends_on: Sequence[str]
    enabled: bool
    fields: Fields
    checks: Sequence[BuiltCheck]
    known: Collection[str]


def check_references(built: Sequence[Built], problems: Problems, *, unread: Collection[str] = ()) -> None:
    """Everything named must exist and nothing may depend on itself.

    `unread` are ids of sources that have mistakes of their own: they exist all the same.
    """
    sources = {source.id: source for source in built}
    known = {*sources, *unread}
    for source in built:
        for name in source.depends_on:
            node = _item(source.fields.values.get("depends_on"), name, source.fields)
            if name not in known:
                problems.add(node.mark, f"{quoted(node)} is not a source{hint(name, known)}")
            elif name in sources and source.enabled and not sources[name].enabled:
                problems.warn(node.mark, f"the source {source.id!r} depends on {name!r}, which is disabled")
    graph = {source.id: source.depends_on for source in built}
    for cycle in find_cycles(graph):
        node = _item(sources[cycle[0]].fields.values.get("depends_on"), cycle[1], sources[cycle[0]].fields)
        problems.add(node.mark, f"sources depend on each other in a circle: {' -> '.join(cycle)}")
    _check_checks(built, problems, {*known}, frozenset(unread))


def _check_checks(built: Sequence[Built], problems: Problems, sources: set[str], unread: Collection[str]) -> None:
    keys = {f"{source.id}/{name}" for source in built for name in source.known}
    known = keys | sources
    checks = {check.key: check for source in built for check in source.checks}
    graph: dict[str, list[str]] = {}
    for source in built:
        # Whoever asks for a whole source asks for each of its checks.
        graph[source.id] = [check.key for check in source.checks]
        for check in source.checks:
            needed = [_full(name, source.id) for name in check.check.depends_on]
            graph[check.key] = needed
            for name, full in zip(check.check.depends_on, needed, strict=True):
                if full not in keys and full.split("/")[0] not in unread:
                    node = _item(check.fields.values.get("depends_on"), name, check.fields)
                    problems.add(node.mark, _no_check(node, name, source, keys))
            graph[check.key] += _check_named(check, known, unread, problems)
    for cycle in find_cycles(graph):
        place = next(index for index, name in enumerate(cycle) if name in checks)
        first, after = checks[cycle[place]], cycle[place + 1] if place + 1 < len(cycle) else cycle[1]
        local = after.removeprefix(first.key.split("/")[0] + "/")
        node = _mention(first.fields, (after, local)) or first.fields
        problems.add(node.mark, f"checks depend on each other in a circle: {' -> '.join(cycle)}")


def _check_named(check: BuiltCheck, known: Collection[str], unread: Collection[str], problems: Problems) -> list[str]:
    """The keys of what a check refers to by fields of its own, such as the members of a composite."""
    references = getattr(check.check, "references", None)
    found = []
    for name in references() if callable(references) else ():
        if name in known:
            found.append(name)
        elif name.split("/")[0] not in unread:
            node = _mention(check.fields, (name,)) or check.fields
            local = f"{check.key.split('/')[0]}/{name}"
            typo = f"; did you mean {local!r}?" if local in known else hint(name, known)
            shown = quoted(node) if isinstance(node, Scalar) else repr(name)
            problems.add(node.mark, f"{shown} is neither a check (source/check) nor a source{typo}")
    return found


def _full(name: str, source: str) -> str:
    return name if "/" in name else f"{source}/{name}"


def _no_check(node: Node, name: str, source: Built, known: Collection[str]) -> str:
    shown = quoted(node) if isinstance(node, Scalar) else repr(name)
    if "/" in name:
        return f"{shown} is not a check{hint(name, known)}; a check of another source is written source/check"
    typo = hint(name, source.known) or hint(name, known)
    return f"{shown} is not a check of {source.id!r}{typo}; it has {choices(source.known)}"


def _mention(node: Node, names: Iterable[str]) -> Scalar | None:
    """The first scalar beneath `node` that says one of `names`, other than the check's own id and kind."""
    wanted = frozenset(names)
    if isinstance(node, Scalar):
        return node if node.text in wanted else None
    below = node.items if isinstance(node, Items) else [v for k, v in node.values.items() if k not in ("id", "kind")]
    for inner in below:
        found = _mention(inner, wanted)
        if found is not None:
            return found
    return None


def _item(node: Node | None, name: str, otherwise: Node) -> Node:
    for item in node.items if isinstance(node, Items) else ():
        if isinstance(item, Scalar) and item.text == name:
            return item
    return node or otherwise


def find_cycles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The cycles of a graph, each once, as [a, b, ..., a]; without recursion, for long chains."""
    done: set[str] = set()
    cycles: list[list[str]] = []
    for start in graph:
        if start in done:
            continue
        path: dict[str, None] = {start: None}
        stack = [(start, iter(graph[start]))]
        while stack:
            name, following = stack[-1]
            after = next(following, None)
            if after is None:
                stack.pop()
                path.pop(name)
                done.add(name)
            elif after in path:
                members = list(path)
                cycles.append([*members[members.index(after) :], after])
            elif after not in done and after in graph:
                path[after] = None
                stack.append((after, iter(graph[after])))
    return cycles


def check_cron(fields: Fields, problems: Problems) -> None:
    """The cron expression and the time zone of a check must exist."""
    cron, zone = fields.values.get("cron"), fields.values.get("timezone")
    if isinstance(cron, Scalar) and isinstance(cron.value, str):
        reason = _cron_problem(cron.value)
        if reason is not None:
            problems.add(cron.mark, f"{quoted(cron)} is not a cron expression: {problems.covered(reason)}")
    if isinstance(zone, Scalar) and isinstance(zone.value, str) and not _is_timezone(zone.value):
        typo = hint(zone.value, available_timezones())
        problems.add(zone.mark, f"{quoted(zone)} is not a time zone{typo}; allowed are names like Europe/Berlin")


@lru_cache(maxsize=4096)
def _cron_problem(expression: str) -> str | None:
    try:
        CronSim(expression, _EXAMPLE_START)
    except CronSimError as error:
        return f"{error}; it has five fields: minute hour day month weekday, like 0 6 * * 1-5"
    return None


@lru_cache(maxsize=512)
def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return False
    except KeyError:
        return False
    return True

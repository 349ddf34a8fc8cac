"""Draws the status page: HTML out of an overview, the same HTML for the same facts.

Times are written as moments, and the browser turns them into "12 s ago"; so a source of which nothing
changed looks the same, and its drawing is kept from one snapshot to the next.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from monitoring_pipeline import __version__
from monitoring_pipeline.api.assets import ASSETS, assets_version
from monitoring_pipeline.api.keeping import Kept
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.records import BreakerState, Severity, Status
from monitoring_pipeline.reports import ComponentView, Overview, SourceView
from monitoring_pipeline.reports.alerts import AlertFilter
from monitoring_pipeline.reports.facets import NO_FACETS, Board, ComponentFacets, Facets
from monitoring_pipeline.reports.timeline import PARTS, Strip, Timeline, timeline

__all__ = ["TONES", "Headline", "StatusPage", "environment", "headline"]

_NOTHING = "\N{EN DASH}"
_WINDOW = timedelta(hours=1)
_WRONG_SHOWN = 12
_ALERTS_SHOWN = 12
_ALERTS_COUNTED = 1000
_LONGEST_CELL = 120
_ALL_INSIDE = 200  # with more sources, what is inside healthy ones is fetched when somebody opens them


TONES = {Severity.CRITICAL: "critical", Severity.ERROR: "critical", Severity.WARNING: "warning", Severity.INFO: "new"}
"""The colour and shape of a severity."""


@dataclass(frozen=True, slots=True)
class Headline:
    """What the banner says. `tone` is a status, or `off` when nobody watches, or `new` before the first result."""

    tone: str
    text: str
    note: str = ""


def headline(overview: Overview, board: Board | None = None) -> Headline:
    """The state of everything in a few words, and what is bad beside the checks."""
    counts, total = overview.counts, len(overview.sources)
    if not total:
        return Headline("new", "Nothing is watched yet", "Add sources to the configuration: busta init")
    checked = any(view.last_checked for view in overview.sources)
    if not overview.watch.alive and not checked:
        return Headline("new", "Nothing has been checked yet", "Nobody executes checks; busta up starts it")
    if not overview.watch.alive:
        return Headline("off", "Monitoring is not running", "Nobody executes checks, so nothing below can be trusted")
    if not checked:
        return Headline("new", "The first checks are under way", f"{total} sources are watched")
    for status, one, many in _WORDS:
        if number := counts[status.value]:
            return Headline(status.value, f"1 source {one}" if number == 1 else f"{number} sources {many}")
    text = "The one source is healthy" if total == 1 else f"All {total} sources are healthy"
    beside = _beside(board) if board is not None else ""
    return Headline("healthy", text, f"Every check found what it expects, but {beside}" if beside else "")


def _beside(board: Board) -> str:
    """What no check tells: bad data, and promises that are missed; empty where there is neither."""
    bad = sum(
        each.quality is not None and each.quality.status in (Status.WARNING, Status.CRITICAL)
        for each in board.sources.values()
    )
    missed = sum(each.missed for each in board.components.values())
    parts = [f"the data of {bad} source{'' if bad == 1 else 's'} are not as expected"] if bad else []
    parts += [f"{missed} promise{' is' if missed == 1 else 's are'} missed"] if missed else []
    return ", and ".join(parts)


_WORDS = (
    (Status.CRITICAL, "is critical", "are critical"),
    (Status.WARNING, "has a warning", "have warnings"),
    (Status.UNKNOWN, "is unknown", "are unknown"),
)


class StatusPage:
    """Draws pages for one installation. Used by one thread at a time."""

    def __init__(self, monitoring: Monitoring, kept: Kept) -> None:
        self._monitoring = monitoring
        self._kept = kept
        self._env = environment(monitoring)
        self._source = self._env.get_template("source.html")
        self._later = False
        self._board: Board | None = None
        self._rows: dict[str, tuple[_Drawn, Markup]] = {}

    def fragment(self, overview: Overview) -> bytes:
        """All that changes while the page is open."""
        window = min(_WINDOW, self._monitoring.config.retention.hot)
        strips = timeline(self._monitoring.store, overview, window)
        self._later = len(overview.sources) > _ALL_INSIDE
        self._board = self._kept.current()
        sections = self._sections(overview, strips)
        self._rows = {name: row for name, row in self._rows.items() if name in strips.strips}
        watching = overview.watch.alive
        wrong = sorted((view for view in overview.sources if _is_wrong(view, watching)), key=_worst_first)
        alerts = self._monitoring.alerts(AlertFilter(), _ALERTS_COUNTED)
        text = self._env.get_template("fragment.html").render(
            overview=overview, head=headline(overview, self._board), sections=sections, wrong=wrong[:_WRONG_SHOWN],
            more=max(0, len(wrong) - _WRONG_SHOWN), strips=strips, version=assets_version(),
            alerts=alerts[:_ALERTS_SHOWN], alerts_total=len(alerts),
        )  # fmt: skip
        return text.encode()

    def inside(self, view: SourceView) -> bytes:
        """What is inside one source's row."""
        facets = _facets_of(self._board, view)
        return self._env.get_template("inside.html").render(view=view, facets=facets).encode()

    def page(self, fragment: bytes) -> bytes:
        """The whole page around a fragment."""
        return self._env.get_template("page.html").render(fragment=Markup(fragment.decode())).encode()  # noqa: S704

    def broken(self, reason: str) -> bytes:
        """The page for when nothing can be read."""
        return self._env.get_template("broken.html").render(reason=reason, version=assets_version()).encode()

    def reference(self, openapi: dict[str, Any]) -> bytes:
        """The API's reference out of its OpenAPI description."""
        routes = [
            {"path": path, "method": method.upper(), **operation}
            for path, operations in openapi["paths"].items()
            for method, operation in operations.items()
        ]
        by_tag: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for route in routes:
            by_tag[route["tags"][0]].append(route)
        schemas = openapi["components"]["schemas"]
        template = self._env.get_template("reference.html")
        return template.render(api=openapi, by_tag=by_tag, schemas=schemas).encode()

    def _sections(self, overview: Overview, strips: Timeline) -> list[dict[str, Any]]:
        members: dict[str, list[SourceView]] = defaultdict(list)
        for view in overview.sources:
            members[view.source.component].append(view)
        components = [view for view in overview.components if members[view.component.id]]
        return [
            self._section(view, members[view.component.id], strips) for view in sorted(components, key=_component_order)
        ]

    def _section(self, component: ComponentView, views: list[SourceView], strips: Timeline) -> dict[str, Any]:
        rows = Markup("\n").join(self._row(view, strips) for view in sorted(views, key=_worst_first))
        facets = self._board.components.get(component.component.id, _NOTHING_MORE) if self._board else _NOTHING_MORE
        wide = self._board is not None and self._board.is_wide
        version = _version(repr((component, facets, wide)) + rows)
        return {"view": component, "rows": rows, "version": version, "facets": facets, "wide": wide}

    def _row(self, view: SourceView, strips: Timeline) -> Markup:
        wide = self._board is not None and self._board.is_wide
        drawn = _Drawn(view, strips.strips[view.source.id], _facets_of(self._board, view), wide)
        kept = self._rows.get(view.source.id)
        if kept is not None and kept[0] == drawn:
            return kept[1]
        later = self._later and view.status is Status.HEALTHY
        inner = self._source.render(
            view=view, strip=drawn.strip, facets=drawn.facets, wide=wide, part=strips.part, words=_search_words(view),
            later=later,
        )  # fmt: skip
        # The row's template leaves a place for its own version.
        row = Markup(inner.replace("@version@", _version(inner), 1))  # noqa: S704 - rendered with escaping just above
        self._rows[view.source.id] = (drawn, row)
        return row


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a row shows; equal where the drawing is."""

    view: SourceView
    strip: Strip
    facets: Facets | None
    wide: bool


_NOTHING_MORE = ComponentFacets()


def _facets_of(board: Board | None, view: SourceView) -> Facets | None:
    """What is known of a source beyond its checks; None while nobody read it."""
    return None if board is None else board.sources.get(view.source.id, NO_FACETS)


def _is_wrong(view: SourceView, watching: bool) -> bool:
    """Whether something is wrong with the source, and not only that nobody looked (yet, or any more)."""
    if view.status is Status.UNKNOWN:
        overdue = any(check.overdue_s for check in view.checks)
        return view.last_checked is not None and (watching or not overdue)
    return view.status is not Status.HEALTHY


def _version(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _worst_first(view: SourceView) -> tuple[int, int, str]:
    return (-view.status.rank, -view.source.criticality.weight, (view.source.name or view.source.id).lower())


def _component_order(view: ComponentView) -> tuple[int, float, str]:
    return (-view.status.rank, 101.0 if view.score is None else view.score, view.component.id)


def _search_words(view: SourceView) -> str:
    source = view.source
    words = (source.id, source.name, source.owner, source.component, *source.tags, view.status.value)
    return " ".join(words).lower()


def environment(monitoring: Monitoring) -> Environment:
    """What every template is drawn with."""
    env = Environment(
        loader=PackageLoader("monitoring_pipeline.api"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    env.filters.update(moment=_moment, clock=_clock, milliseconds=_milliseconds, score=_score, seconds=_seconds)
    env.filters.update(pretty=partial(json.dumps, indent=2), marked=_marked, columns=_columns, cell=_cell)
    api = monitoring.config.api
    env.globals.update(
        installation=monitoring.config.name, dagster_url=(api.dagster_url or "").rstrip("/"), release=__version__,
        asset={asset.name: asset.url for asset in ASSETS.values()}, assets_version=assets_version(),
        paths_of=_paths, strip_text=_strip_text, Closed=BreakerState.CLOSED, tones=TONES,
        scored=monitoring.config.analysis.enabled,
    )  # fmt: skip
    return env


def _marked(text: str) -> Markup:
    """Text in which `words` between backticks are code."""
    code = Markup("<code>{}</code>")
    parts = [code.format(part) if index % 2 else escape(part) for index, part in enumerate(text.split("`"))]
    return Markup("").join(parts)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _cell(value: Any) -> str:
    text = _NOTHING if value is None else str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}\N{HORIZONTAL ELLIPSIS}"


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S")


def _milliseconds(value: float | None) -> str:
    if value is None:
        return _NOTHING
    for limit, size, digits, unit in ((10, 1, 1, "ms"), (1000, 1, 0, "ms"), (60_000, 1000, 1, "s")):
        if value < limit:
            return f"{value / size:.{digits}f} {unit}"
    return f"{value / 60_000:.1f} min"


def _score(value: float | None) -> str:
    # Rounded down: 100 means that nothing at all is wrong.
    return _NOTHING if value is None else str(math.floor(value))


def _seconds(value: float | None) -> str:
    return "cron" if value is None else format_duration(timedelta(seconds=value))


def _paths(strip: Strip) -> list[tuple[str, str]]:
    """(class, path) for runs of equal parts; a dashed stroke cuts them into ticks two units wide."""
    found, place = [], 0
    for status, run in groupby(strip):
        length = len(list(run))
        found.append((status.value if status else "none", f"M{place * 2} 8h{length * 2}"))
        place += length
    return found


def _strip_text(strip: Strip, part: timedelta) -> str:
    """The strip in words, for who cannot see it."""
    bad = [f"{strip.count(status)} {status.value}" for status in reversed(Status) if strip.count(status)]
    return f"last {format_duration(part * PARTS)} in {PARTS} parts: {', '.join(bad) or 'no results'}"

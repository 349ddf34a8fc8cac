"""Who is told must exist: targets of routes and escalations, members of teams and rotas, fallbacks of channels.

Everything is looked up in what was written, so that one mistake elsewhere hides none here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from monitoring_pipeline.alerting.delivery.channel import Channel, channel_kinds
from monitoring_pipeline.config.documents import NAMED, Document
from monitoring_pipeline.config.nodes import Fields, Items, Node, Scalar
from monitoring_pipeline.config.problems import Problems, at, choices, hint, quoted
from monitoring_pipeline.config.references import find_cycles

__all__ = ["check_targets", "fields_in", "texts_in"]

_PREFIXES = {"channel": "channels", "person": "people", "team": "teams", "oncall": "rotas"}


def fields_in(node: Node | None) -> Iterator[Fields]:
    """The mappings of a list."""
    for item in node.items if isinstance(node, Items) else ():
        if isinstance(item, Fields):
            yield item


def texts_in(node: Node | None) -> Iterator[Scalar]:
    """The texts of a list, or the one text."""
    for item in node.items if isinstance(node, Items) else (node,):
        if isinstance(item, Scalar) and item.value is not None:
            yield item


def check_targets(document: Document, problems: Problems) -> None:
    """Adds a problem for every name of a channel, person, team, rota or escalation that does not exist."""
    _Targets(document, problems).check()


@dataclass
class _Targets:
    document: Document
    problems: Problems

    def check(self) -> None:
        head = self.document.head.values.get("alerting")
        self._routes(head.values.get("routes") if isinstance(head, Fields) else None)
        for _, escalation in self._entries("escalations"):
            for level in fields_in(escalation.values.get("levels")):
                self._targets(level.values.get("notify"))
        for name, team in self._entries("teams"):
            self._team(name, team)
        for _, rota in self._entries("rotas"):
            self._names(rota.values.get("people"), "people")
            for override in fields_in(rota.values.get("overrides")):
                self._names(override.values.get("person"), "people")
        for name, person in self._entries("people"):
            self._person(name, person)
        self._fallbacks()
        for _, report in self._entries("reports"):
            self._report(report)

    def _entries(self, section: str) -> Iterator[tuple[str, Fields]]:
        for name, node in self.document.named[section].values.items():
            if isinstance(node, Fields):
                yield name, node

    def _known(self, section: str) -> Mapping[str, Node]:
        return self.document.named[section].values

    def _names(self, node: Node | None, section: str) -> None:
        for text in texts_in(node):
            self._name(text, text.text, section)

    def _name(self, node: Scalar, name: str, section: str) -> None:
        known = self._known(section)
        if name not in known:
            tail = f"; known {section}: {choices(known)}"
            self.problems.add(node.mark, f"{quoted(node)} is not {_a(section)}{hint(name, known)}{tail}")

    def _targets(self, node: Node | None) -> None:
        for text in texts_in(node):
            prefix, colon, name = text.text.partition(":")
            if colon and prefix in _PREFIXES and name and name not in self._known(_PREFIXES[prefix]):
                self._no_target(text, prefix, name)

    def _no_target(self, node: Scalar, prefix: str, name: str) -> None:
        shown = node.shown.partition(":")[2]  # what ${...} stood for is not told
        section = _PREFIXES[prefix]
        other = next((p for p, s in _PREFIXES.items() if name in self._known(s)), None)
        typo = f"; did you mean '{other}:{name}'?" if other else hint(name, self._known(section))
        tail = f"; known {section}: {choices(self._known(section))}"
        self.problems.add(node.mark, f"{quoted(node)}: {shown!r} is not {_a(section)}{typo}{tail}")

    def _routes(self, node: Node | None) -> None:
        named: dict[str, Scalar] = {}
        for route in fields_in(node):
            self._targets(route.values.get("notify"))
            self._names(route.values.get("escalation"), "escalations")
            name = route.values.get("name")
            if isinstance(name, Scalar) and name.text:
                first = named.setdefault(name.text, name)
                if first is not name:
                    message = f"the route {quoted(name)} exists already at {at(first.mark)}"
                    self.problems.add(name.mark, f"{message}; what was told is remembered by the name")

    def _team(self, name: str, team: Fields) -> None:
        self._names(team.values.get("members"), "people")
        self._names(team.values.get("channels"), "channels")
        self._names(team.values.get("oncall"), "rotas")
        if not any(any(texts_in(team.values.get(key))) for key in ("members", "channels", "oncall")):
            mark = self.document.named["teams"].keys[name]
            self.problems.warn(mark, f"the team {name!r} reaches nobody: give it `members`, `channels` or `oncall`")

    # -- channels ------------------------------------------------------------------------------------

    @cached_property
    def _kinds(self) -> dict[str, type[Channel]]:
        """The model of each channel whose kind is known."""
        kinds = channel_kinds().by_name
        found = {name: fields.values.get("kind") for name, fields in self._entries("channels")}
        return {
            name: kinds[kind.text] for name, kind in found.items() if isinstance(kind, Scalar) and kind.text in kinds
        }

    def _person(self, name: str, person: Fields) -> None:
        """Every channel a person names needs an address of its kind, and somebody with none hears nothing."""
        self._names(person.values.get("channels"), "channels")
        own = list(texts_in(person.values.get("channels")))
        for channel in own:
            wanted = self._kinds[channel.text].recipient_field if channel.text in self._kinds else ""
            if wanted and not any(texts_in(person.values.get(wanted))):
                message = f"the channel {quoted(channel)} needs the `{wanted}` of {name!r}, which is not given"
                self.problems.add(channel.mark, message)
        addressed = {kind.recipient_field for kind in self._kinds.values() if kind.recipient_field}
        if not own and not any(any(texts_in(person.values.get(key))) for key in addressed):
            mark = self.document.named["people"].keys[name]
            wanted = " or ".join(f"`{key}`" for key in sorted(addressed)) or "an address, and a channel for it"
            self.problems.warn(mark, f"no channel reaches the person {name!r}: give {wanted}")

    def _report(self, report: Fields) -> None:
        """A report goes out through a channel of kind email."""
        self._names(report.values.get("channel"), "channels")
        for channel in texts_in(report.values.get("channel")):
            kind = self._kinds.get(channel.text)
            if kind is not None and kind.model_fields["kind"].default != "email":
                self.problems.add(channel.mark, f"{quoted(channel)} is no email channel: reports are sent by e-mail")

    def _fallbacks(self) -> None:
        graph: dict[str, list[str]] = {}
        for name, channel in self._entries("channels"):
            self._names(channel.values.get("fallback"), "channels")
            graph[name] = [text.text for text in texts_in(channel.values.get("fallback"))]
        for cycle in find_cycles(graph):
            first = dict(self._entries("channels"))[cycle[0]]
            node = first.values["fallback"]
            self.problems.add(node.mark, f"channels fall back on each other in a circle: {' -> '.join(cycle)}")


def _a(section: str) -> str:
    word = NAMED[section]
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"

"""Finds the model of a mapping by its `kind`, and says what is wrong when there is none."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from monitoring_pipeline.alerting.rules.condition import Condition, condition_kinds
from monitoring_pipeline.config.nodes import Fields, Node, Scalar
from monitoring_pipeline.config.problems import Problems, choices, hint, quoted
from monitoring_pipeline.kinds import Kinds

__all__ = ["condition_at", "kind_of", "refuse_condition", "unknown_kind"]

ModelT = TypeVar("ModelT", bound=BaseModel)


def kind_of(
    fields: Fields, kinds: Kinds[ModelT], what: str, problems: Problems, *, missing: str = ""
) -> type[ModelT] | None:
    """The model that `kind` names, or None after its problem was added. `missing` is said where it is missing."""
    kind = fields.values.get("kind")
    if kind is None:
        known = ", ".join(sorted(kinds.by_name))
        problems.add(fields.mark, f"'kind' is required and missing{missing}; known kinds: {known}")
        return None
    model = kinds.by_name.get(kind.text) if isinstance(kind, Scalar) else None
    if model is None:
        problems.add(kind.mark, unknown_kind(kind, kinds, what))
    return model


def unknown_kind(kind: Node, kinds: Kinds[ModelT], what: str) -> str:
    """What to say about a kind that does not exist; `what` is such as `check kind`, with its article."""
    name = kind.text if isinstance(kind, Scalar) else ""
    broken = kinds.broken.get(name)
    tail = f"; its plug-in could not be loaded: {broken}" if broken else ""
    return f"{quoted(kind)} is not {what}{hint(name, kinds.by_name)}; known kinds: {choices(kinds.by_name)}{tail}"


def condition_at(node: Node) -> type[Condition] | None:
    """The condition that a mapping describes by its `kind`; None when it describes none."""
    kind = node.values.get("kind") if isinstance(node, Fields) else None
    return condition_kinds().by_name.get(kind.text) if isinstance(kind, Scalar) else None


def refuse_condition(node: Node, problems: Problems) -> None:
    """Adds the problem of what stands where a condition is wanted and is none."""
    if isinstance(node, Fields):
        kind_of(node, condition_kinds(), "a condition kind", problems)
        return
    known = ", ".join(sorted(condition_kinds().by_name))
    problems.add(node.mark, f"a condition is a mapping with `kind:`, not {quoted(node)}; known kinds: {known}")

"""Finds the model of a mapping by its `kind`, and says what is wrong when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from monitoring_pipeline.alerting.rules.condition import condition_kinds
from monitoring_pipeline.config.nodes import Fields, Node, Scalar
from monitoring_pipeline.config.problems import Problems, choices, hint, quoted
from monitoring_pipeline.kinds import Kinds
from monitoring_pipeline.quality.table import table_kinds

__all__ = ["chosen_at", "kind_of", "refuse_kind", "unknown_kind"]

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


def chosen_at(node: Node, steps: Sequence[str | int]) -> type[BaseModel] | None:
    """The condition or table that a mapping describes by its `kind`; None when it describes none."""
    kind = node.values.get("kind") if isinstance(node, Fields) else None
    return _kinds_at(steps)[0].by_name.get(kind.text) if isinstance(kind, Scalar) else None


def refuse_kind(node: Node, steps: Sequence[str | int], problems: Problems) -> None:
    """Adds the problem of what stands where a condition or a table is wanted and is none."""
    kinds, what = _kinds_at(steps)
    if isinstance(node, Fields):
        kind_of(node, kinds, f"a {what} kind", problems)
        return
    known = ", ".join(sorted(kinds.by_name))
    problems.add(node.mark, f"a {what} is a mapping with `kind:`, not {quoted(node)}; known kinds: {known}")


def _kinds_at(steps: Sequence[str | int]) -> tuple[Kinds[Any], str]:
    """What may stand at the end of these steps, and what one of it is called."""
    if steps and steps[-1] == "table":
        return table_kinds(), "table"
    return condition_kinds(), "condition"

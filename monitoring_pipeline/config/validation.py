"""Builds pydantic models out of nodes and says what is wrong at the place where it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from monitoring_pipeline.config.choosing import chosen_at, refuse_kind
from monitoring_pipeline.config.nodes import Fields, Items, Mark, Node, Scalar, plain, without
from monitoring_pipeline.config.problems import Problems, at, choices, hint, quoted

__all__ = ["allowed_keys", "as_fields", "as_items", "field_names", "is_secret_key", "keep_keys", "validate"]

SLUG = "letters, digits, _, . and -, beginning with a letter or digit"
ModelT = TypeVar("ModelT", bound=BaseModel)
_SECRET_KEY = re.compile(
    r"(?:^|[-_.])(?:password|passwd|secret|token|authorization|api[-_]?key|cookie)$", re.IGNORECASE
)
_WORDINGS = (
    ("^(Input|String|Value|Tuple|List|Dictionary|Set) (should|must)", "should"),
    (r"should match pattern '\^https\?://'", "should begin with http:// or https://"),
    (r"should match pattern '\^\[A-Za-z0-9\]\[A-Za-z0-9_\.-\]\*\$(\|\^\$)?'", f"should be {SLUG}"),
    (r"should match pattern '\^\(channel\|.*'", "should be channel:NAME, person:NAME, team:NAME or oncall:ROTA"),
    (r"should match pattern '\^\[A-Za-z_\]\\w.*:\[A-Za-z_\].*'", "should be package.module:Class"),
    ("a valid (tuple|list|array|frozenset|set)", "a list"),
    (r"a valid (dictionary|mapping)( or instance of \w+)?|an object", "a mapping"),
    ("a valid string", "a text"),
    (r" after validation\b", ""),
)
_NOT_A_VALUE = ("missing", "extra_forbidden")
_KIND_ERRORS = ("union_tag_invalid", "union_tag_not_found", "model_attributes_type")


@lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Whether the values of such a key are never shown, whatever the model says."""
    return _SECRET_KEY.search(key) is not None


def field_names(model: type[BaseModel]) -> list[str]:
    """The keys of a model as the YAML writes them."""
    return [info.alias or name for name, info in model.model_fields.items()]


def allowed_keys(fields: Fields, allowed: Iterable[str], problems: Problems) -> Fields:
    """Adds a problem for each key that is not allowed, and gives the mapping without them."""
    known = list(allowed)
    unknown = [key for key in fields.values if key not in known]
    for key in unknown:
        problems.add(fields.keys[key], _unknown_key(key, known))
    return without(fields, unknown) if unknown else fields


def keep_keys(fields: Fields, names: Iterable[str]) -> Fields:
    """The mapping with only these keys."""
    kept = frozenset(names)
    return without(fields, [key for key in fields.values if key not in kept])


def as_fields(node: Node | None, what: str, problems: Problems) -> Fields | None:
    """The node as a mapping; anything else but nothing is a problem."""
    if isinstance(node, Fields):
        return node
    if node is not None and not (isinstance(node, Scalar) and node.value is None):
        problems.add(node.mark, f"{what} must be a mapping, not {quoted(node)}")
    return None


def as_items(node: Node | None, what: str, problems: Problems) -> list[Node]:
    """The node as a list; anything else but nothing is a problem."""
    if isinstance(node, Items):
        return node.items
    if node is not None and not (isinstance(node, Scalar) and node.value is None):
        problems.add(node.mark, f"{what} must be a list, not {quoted(node)}")
    return []


def validate(model: type[ModelT], fields: Fields, problems: Problems) -> ModelT | None:
    """The model built of the mapping, or None after its problems were added."""
    data = plain(fields)
    try:
        return _built(model, data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    if _retext(data, fields, found):
        try:
            return _built(model, data)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
    for group in _grouped(fields, found):
        _report(model, fields, group, problems)
    return None


def _built(model: type[ModelT], data: Any) -> ModelT:
    built: ModelT = model.__pydantic_validator__.validate_python(data)
    return built


def _retext(data: Any, fields: Fields, errors: Iterable[Mapping[str, Any]]) -> bool:
    """Where a text was wanted, takes what was written: an unquoted 0123 or 2024 is a text there."""
    changed = False
    for error in errors:
        spot = _locate(fields, error["loc"])
        if error["type"] != "string_type" or not isinstance(spot.node, Scalar) or not spot.steps:
            continue
        if spot.node.plain and spot.node.value is not None:
            holder = data
            for step in spot.steps[:-1]:
                holder = holder[step]
            holder[spot.steps[-1]] = spot.node.text
            changed = True
    return changed


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an error's `loc` leads: the node, the steps to it, and what of `loc` leads nowhere.

    `branch` is how many steps were taken when the first part of `loc` named no key: pydantic puts
    the names of a union's members there.
    """

    node: Node
    steps: tuple[str | int, ...]
    key: Mark | None
    left: tuple[str | int, ...]
    branch: int | None


def _locate(node: Node, loc: tuple[str | int, ...]) -> _Spot:
    steps: list[str | int] = []
    left: list[str | int] = []
    key: Mark | None = None
    branch: int | None = None
    entered = False
    for part in loc:
        # After a choice by `kind`, pydantic names the kind although it is no key.
        if entered and isinstance(node, Fields) and part == _kind_at(node):
            entered = False
            continue
        entered = True
        if isinstance(node, Fields) and str(part) in node.values:
            key, node = node.keys[str(part)], node.values[str(part)]
            steps.append(str(part))
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            key, node = None, node.items[part]
            steps.append(part)
        else:
            branch = len(steps) if branch is None else branch
            left.append(part)
    return _Spot(node, tuple(steps), key, tuple(left), branch)


def _kind_at(node: Fields) -> str | None:
    kind = node.values.get("kind")
    return kind.text if isinstance(kind, Scalar) else None


_Found = tuple[_Spot, Mapping[str, Any]]


def _grouped(fields: Fields, errors: Iterable[Mapping[str, Any]]) -> Iterator[list[_Found]]:
    """One group per thing that is wrong: members of a union that all refused a value are one."""
    groups: dict[tuple[str | int, ...] | int, list[_Found]] = {}
    for number, error in enumerate(errors):
        if _only_follows(fields, error):
            continue
        spot = _locate(fields, error["loc"])
        tags = spot.left[:-1] if error["type"] == "missing" else spot.left
        name = spot.steps[: spot.branch] if tags and spot.branch is not None else number
        groups.setdefault(name, []).append((spot, error))
    for group in groups.values():
        deepest = max(len(spot.steps) for spot, _ in group)
        chosen = [(spot, error) for spot, error in group if len(spot.steps) == deepest]
        by_place: dict[Any, list[_Found]] = {}
        for spot, error in chosen:
            by_place.setdefault((spot.steps, error["type"] in _NOT_A_VALUE and spot.left), []).append((spot, error))
        yield from by_place.values()


def _only_follows(fields: Fields, error: Mapping[str, Any]) -> bool:
    """Whether a list is too short only because pydantic does not count items with mistakes of their own."""
    if error["type"] != "too_short":
        return False
    node = _locate(fields, error["loc"]).node
    return isinstance(node, Items) and len(node.items) >= error["ctx"]["min_length"]


def _report(model: type[BaseModel], fields: Fields, group: list[_Found], problems: Problems) -> None:
    spot, error = group[0]
    if error["type"] == "missing":
        problems.add(spot.node.mark, f"{error['loc'][-1]!r} is required and missing")
        return
    if error["type"] == "extra_forbidden" and spot.key is not None:
        problems.add(spot.key, _unknown_key(str(spot.steps[-1]), _names_at(model, fields, spot.steps[:-1])))
        return
    if error["type"] == "unknown_argument" and spot.key is not None:
        problems.add(spot.key, str(error["msg"]))
        return
    if error["type"] in _KIND_ERRORS:
        refuse_kind(spot.node, spot.steps, problems)
        return
    secret = _is_secret(model, fields, spot.steps)
    texts = dict.fromkeys(_message(spot.node, error, problems, secret=secret) for spot, error in group)
    message = _with_value(spot.node, " or ".join(texts), secret=secret)
    mark = spot.key if spot.left == ("[key]",) and spot.key is not None else spot.node.mark
    problems.add(mark, message + _origin(spot.node), column=_column(spot.node, error, secret=secret))


def _with_value(node: Node, text: str, *, secret: bool) -> str:
    value = "this value" if secret else quoted(node)
    if text.startswith(("should", "is not allowed")):
        return f"{value} {text}"
    return f"{value}: {text}" if isinstance(node, Scalar) and value not in text else text


def _message(node: Node, error: Mapping[str, Any], problems: Problems, *, secret: bool) -> str:
    context = error.get("ctx", {})
    if error["type"] in ("literal_error", "enum"):
        allowed = [str(choice) for choice in re.findall(r"'([^']*)'", context["expected"])] or [context["expected"]]
        written = node.shown if isinstance(node, Scalar) and not secret else ""
        return f"is not allowed{hint(written, allowed)}; allowed: {choices(allowed)}"
    text = str(context["error"]) if error["type"] == "value_error" and "error" in context else str(error["msg"])
    for theirs, ours in _WORDINGS:
        text = re.sub(theirs, ours, text)
    if error["type"].endswith("_type") and isinstance(node, Fields) and _looks_like_placeholder(node):
        text += f'; a placeholder needs quotes: "{{{next(iter(node.values))}}}"'
    if secret and isinstance(node, Scalar) and node.text and node.text in text:
        return "is not allowed"
    return problems.covered(text)


def _looks_like_placeholder(node: Fields) -> bool:
    return len(node.values) == 1 and all(isinstance(v, Scalar) and v.value is None for v in node.values.values())


def _column(node: Node, error: Mapping[str, Any], *, secret: bool) -> int | None:
    """The column inside a text on one line, when a parser told it and the text stands as written."""
    offset = error.get("ctx", {}).get("column")
    if secret or not isinstance(offset, int) or not isinstance(node, Scalar) or node.shown != node.text:
        return None
    if "\n" in node.text or "\\" in node.text or "'" in node.text or '"' in node.text:
        return None
    return int(node.mark.column) + offset - 1 + (0 if node.plain else 1)


def _origin(node: Node) -> str:
    origin = node.origin if isinstance(node, Scalar) else None
    return f" (its value is given at {at(origin.mark)})" if origin is not None else ""


def _unknown_key(key: str, known: Iterable[str]) -> str:
    names = list(known)
    return f"unknown key {key!r}{hint(key, names)}; allowed: {choices(names)}"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _annotations(model: type[BaseModel], steps: tuple[str | int, ...]) -> list[Any]:
    """The annotations of what `steps` lead to; a container's are looked up by its members."""
    found: list[Any] = [model]
    for step in steps:
        models = [inner for annotation in found for inner in _models_in(annotation)]
        fields = [
            info.annotation
            for inner in models
            for name, info in inner.model_fields.items()
            if step in (name, info.alias)
        ]
        found = fields or found
    return found


def _names_at(model: type[BaseModel], fields: Fields, steps: tuple[str | int, ...]) -> list[str]:
    spot = _locate(fields, steps)
    chosen = chosen_at(spot.node, steps) if spot.steps else None
    if chosen is not None:
        return field_names(chosen)
    models = [inner for annotation in _annotations(model, steps) for inner in _models_in(annotation)]
    return list(dict.fromkeys(name for inner in models for name in field_names(inner)))


def _is_secret(model: type[BaseModel], fields: Fields, steps: tuple[str | int, ...]) -> bool:
    if any(isinstance(step, str) and is_secret_key(step) for step in steps):
        return True
    places: list[tuple[type[BaseModel] | None, int]] = [(model, 0)]
    places += [(chosen_at(_locate(fields, steps[:end]).node, steps[:end]), end) for end in range(1, len(steps))]
    return any(
        _holds_secret(annotation)
        for chosen, end in places
        if chosen is not None and steps
        for annotation in _annotations(chosen, steps[end:])
    )


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))

"""The expectation types there are and the arguments they take, without importing Great Expectations.

Importing it costs seconds, and a configuration is read by every command. So the names are kept in a file beside
this one; a test holds it against what is installed, and `python -m monitoring_pipeline.quality.catalogue`
writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["NOT_HERE", "Arguments", "catalogue", "installed"]

_FILE = Path(__file__).with_name("catalogue.json")
# What every expectation of Great Expectations has, and what a suite says in words of its own.
_COMMON = frozenset({
    "id", "meta", "notes", "result_format", "description", "severity", "catch_exceptions", "rendered_content",
    "windows", "batch_id", "library_metadata",
})  # fmt: skip
NOT_HERE: Mapping[str, str] = {
    "expect_query_results_to_match_comparison": "it compares two data sources of Great Expectations",
    "expect_table_row_count_to_equal_other_table": "it needs a second table",
}
"""Types that a suite over one table cannot have, and why."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What one expectation type must and may be given."""

    required: frozenset[str]
    optional: frozenset[str]

    @property
    def allowed(self) -> frozenset[str]:
        return self.required | self.optional


@cache
def catalogue() -> Mapping[str, Arguments]:
    """Every built-in expectation type that a suite may have, by name."""
    kept: dict[str, dict[str, list[str]]] = json.loads(_FILE.read_text())
    return {
        name: Arguments(frozenset(entry["required"]), frozenset(entry["optional"]))
        for name, entry in kept.items()
        if name not in NOT_HERE
    }


def installed() -> dict[str, dict[str, list[str]]]:
    """The same, as the installed Great Expectations has it. Takes seconds."""
    import great_expectations  # noqa: F401 - registers its expectations
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    return {
        name: _arguments(get_expectation_impl(name)) for name in sorted(list_registered_expectation_implementations())
    }


def _arguments(implementation: Any) -> dict[str, list[str]]:
    fields = {name: field for name, field in implementation.__fields__.items() if name not in _COMMON}
    required = sorted(name for name, field in fields.items() if field.required)
    return {"required": required, "optional": sorted(fields.keys() - set(required))}


if __name__ == "__main__":
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in installed().items()]
    _FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")

"""Tables for the metadata of runs."""

from collections.abc import Iterable, Sequence

__all__ = ["table"]

_LONGEST_CELL = 200


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what a cell says stays on one line and within its column."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:_LONGEST_CELL]

"""Writes the .ipynb beside each notebook's .py, for who opens them without jupytext: `python notebooks/pair.py`.

The .py is what is edited. A pair has no outputs, and is the same whoever writes it. A test holds the two together.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

__all__ = ["paired"]

_CELL = re.compile(r"^# %%(?P<markdown> \[markdown\])?\n", re.MULTILINE)


def paired(text: str) -> str:
    """The .ipynb of a notebook in jupytext's percent format."""
    starts = list(_CELL.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    cells = [
        _cell(number, bool(match["markdown"]), text[match.end() : end].strip("\n"))
        for number, (match, end) in enumerate(zip(starts, ends, strict=True))
    ]
    about = {
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    }
    notebook = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, is_markdown: bool, source: str) -> dict[str, Any]:
    if is_markdown:
        lines = "\n".join(line.removeprefix("#").removeprefix(" ") for line in source.split("\n"))
        return {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": _lines(lines)}
    return {
        "cell_type": "code", "execution_count": None, "id": f"cell-{number}", "metadata": {}, "outputs": [],
        "source": _lines(source),
    }  # fmt: skip


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    for path in Path(__file__).parent.glob("*.py"):
        if path.name != Path(__file__).name:
            path.with_suffix(".ipynb").write_text(paired(path.read_text(encoding="utf-8")), encoding="utf-8")

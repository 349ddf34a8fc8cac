"""The texts a configuration was made of: read from disk and remembered, or those that were kept.

The texts of the last configuration that was good are kept beside the stores, so that runs go on with
them while somebody edits. They are as the user wrote them: `${...}` is not filled in.
"""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Texts", "keep_texts", "kept_texts"]


@dataclass(slots=True)
class Texts:
    """Texts by absolute path, and which files a pattern found; `kept`: the disk is not asked."""

    files: dict[str, str] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)
    kept: bool = False

    def has(self, path: Path) -> bool:
        """Whether there is such a file."""
        return str(path.absolute()) in self.files if self.kept else path.is_file()

    def matching(self, pattern: str) -> list[Path]:
        """The files that an include's pattern finds, sorted."""
        key = str(Path(pattern).absolute())
        if self.kept:
            return [Path(name) for name in self.patterns.get(key, ())]
        names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute
        found = sorted(path for path in map(Path, names) if path.is_file())
        self.patterns[key] = [str(path.absolute()) for path in found]
        return found


def keep_texts(texts: Texts, path: Path) -> None:
    """Writes texts to a file that only its owner may read; whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps({"files": texts.files, "patterns": texts.patterns}), encoding="utf-8")
    temporary.replace(path)


def kept_texts(path: Path) -> Texts | None:
    """Texts that were kept; None when there are none, or none that can be read."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return Texts(held["files"], held["patterns"], kept=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None

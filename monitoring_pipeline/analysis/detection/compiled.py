"""Python that is compiled to machine code when it is first called: loops over numbers, at the speed of C.

The machine code is kept beside the source, or in the user's cache where that cannot be written, so it is made once per
installation (some ten seconds). The cache is known by the file the function is in: what a compiled function calls
belongs into the same file, or a change of it would go unnoticed. Threads run such functions side by side.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import __version__, njit
from numba.core.registry import cpu_target

__all__ = ["Made", "compiled"]

F = TypeVar("F", bound=Callable[..., object])
_NOTE = "busta-compiled.json"


def compiled(function: F) -> F:
    """The function, compiled. Without any place to keep the machine code, it is made anew in each process."""
    try:
        return cast(F, njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast(F, njit(nogil=True)(function))


class Made:
    """Whether machine code of some functions, of several files, was kept: a note beside that of the first."""

    def __init__(self, *functions: Callable[..., object]) -> None:
        self._functions = cast("tuple[Any, ...]", functions)
        path = self._functions[0].stats.cache_path
        self.folder = None if path is None else Path(path)
        """Where it is kept; None where there is no place for it."""

    def __bool__(self) -> bool:
        """Whether it was made of the files as they are now, for this machine."""
        try:
            return self.folder is not None and (self.folder / _NOTE).read_text() == self._fingerprint()
        except OSError:
            return False

    def note(self) -> None:
        """Notes that they were called, with the types of argument that they always get."""
        if self.folder is not None:
            with contextlib.suppress(OSError):
                (self.folder / _NOTE).write_text(self._fingerprint())

    def _fingerprint(self) -> str:
        files = [Path(function.py_func.__code__.co_filename) for function in self._functions]
        stamps = [(str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files]
        machine = cpu_target.target_context.codegen().magic_tuple()
        return json.dumps([__version__, sys.implementation.cache_tag, machine, stamps])

"""Python that is compiled to machine code when it is first called: loops over numbers, at the speed of C.

The machine code is kept beside the source, or in the user's cache where that cannot be written, so it is made once per
installation (some ten seconds). The cache is known by the file the function is in: what a compiled function calls
belongs into the same file, or a change of it would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

__all__ = ["compiled"]

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The function, compiled. Without any place to keep the machine code, it is made anew in each process."""
    try:
        return cast(F, njit(cache=True)(function))
    except RuntimeError:
        return cast(F, njit(function))

"""What runs inside the child process of a `python` check: import, call, answer, and be gone.

Started as `python -P -c "...; main(FD)"`. The request comes as JSON on standard input (call, args,
path, memory_mb, parent) and the answer leaves as JSON on the descriptor, so that whatever the
callable prints disturbs nothing. Imports nothing heavy: this is paid at every probe.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["die_with", "main"]

_PR_SET_PDEATHSIG = 1


class _NotThere(Exception):
    """The module or function that the configuration names does not exist."""


def main(answer_fd: int) -> None:
    """Serves one request and ends the process, whatever threads and exit handlers are left."""
    request = json.load(sys.stdin)
    die_with(request["parent"])
    _bound(request["memory_mb"])
    sys.path[:0] = request["path"]
    answer = _answer(request["call"], request["args"])
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    with os.fdopen(answer_fd, "wb") as pipe:
        pipe.write(json.dumps(answer, default=_plain).encode())
    os._exit(0)


def die_with(parent: int) -> None:
    """Asks the kernel (Linux) to kill us when the parent is killed, so that no hung call outlives it."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _bound(memory_mb: int | None) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_mb is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1024 * 1024,) * 2)


def _answer(call: str, args: Mapping[str, Any]) -> dict[str, Any]:
    from monitoring_pipeline.errors import SourceFailure

    try:
        answer = {"values": _values(call, _called(call, args))}
        json.dumps(answer, default=_plain)
    except SourceFailure as failure:
        return {"failure": str(failure), "values": failure.values}
    except _NotThere as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{call} needed more memory than `memory_mb` allows"}
    except SystemExit as stop:
        return {"error": f"{call} called sys.exit({'' if stop.code is None else stop.code!r})"}
    except BaseException as error:
        return {"error": f"{call} raised {type(error).__name__}: {error}"}
    return answer


def _called(call: str, args: Mapping[str, Any]) -> Any:
    module_name, _, function_name = call.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise _NotThere(f"{call}: there is no module {error.name!r}; name its folder in `path`") from None
        raise
    for name in function_name.split("."):
        if not hasattr(found, name):
            raise _NotThere(f"{call}: {module_name} has no {name!r}")
        found = getattr(found, name)
    result = found(**args)
    if hasattr(result, "__await__"):
        import asyncio

        async def awaited() -> Any:
            return await result

        return asyncio.run(awaited())
    return result


def _values(call: str, returned: Any) -> dict[str, Any]:
    returned = returned.item() if hasattr(returned, "item") and not isinstance(returned, Mapping) else returned
    if isinstance(returned, bool):
        return {"ok": returned}
    if isinstance(returned, Mapping):
        return {"ok": True, **{str(name): value for name, value in returned.items()}}
    if isinstance(returned, (int, float)):
        return {"ok": True, "value": returned}
    raise TypeError(f"{call} returned {type(returned).__name__}; return a bool, a number or a mapping of values")


def _plain(value: Any) -> Any:
    """JSON for what people return: numbers of numpy and decimal, dates, sets; anything else as text."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if hasattr(value, "as_tuple"):
        return float(value)
    return str(value)

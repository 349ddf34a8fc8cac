"""What processes that configured no log say of exceptions."""

from __future__ import annotations

__all__ = ["without_values"]


def without_values() -> None:
    """Has tracebacks in the log say where, and not with which values: among them may be passwords and rows.

    structlog's own default prints every local variable. What somebody configured otherwise is kept.
    """
    import structlog

    renderer = structlog.get_config()["processors"][-1]
    if not isinstance(renderer, structlog.dev.ConsoleRenderer):
        return
    shown = renderer.exception_formatter
    if isinstance(shown, structlog.dev.RichTracebackFormatter) and shown.show_locals:
        renderer.exception_formatter = structlog.dev.plain_traceback

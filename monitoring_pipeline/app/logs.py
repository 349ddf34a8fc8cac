"""What processes that configured no log say of exceptions."""

from __future__ import annotations

__all__ = ["without_values"]


def without_values() -> None:
    """Has tracebacks in the log say where, and not with which values: among them may be passwords and rows.

    structlog's own default prints every local variable. Who configured it already keeps what is configured.
    """
    import structlog

    if structlog.is_configured():
        return
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])

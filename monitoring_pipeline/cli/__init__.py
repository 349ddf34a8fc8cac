"""`busta`, the command line: shows, checks and runs one installation.

`main` is the entry point; `root.py` holds the global options and how errors become exit codes,
`commands/` one command per file. Nothing is decided here: commands open a `Monitoring`, call one of
its doors and print. What `--help` touches imports click alone.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command line of this process and ends it."""
    from monitoring_pipeline.cli.root import busta

    busta()

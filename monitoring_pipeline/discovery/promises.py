"""The first promises: how much of a month each group of sources should be well, and how good the sample data stay."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["promises_for"]

_HEAD = """\
# What was promised about sources, and what is sent about it. Written by `busta init`; it is yours to change.
#
#   busta sla show                              what is kept, and what is left of each error budget
#   busta sla correct SOURCE ...                says what a past time really was; both figures stay visible
#   busta report --period week                  how everything did, as HTML, Markdown, CSV or JSON
#
# All of it: docs/sla.md and docs/reports.md.

objectives:
"""
_OBJECTIVES = {
    "machine": """\
  machine-up:
    description: This machine is there and has room.
    component: machine
    target: 99.9%
    window: month
""",
    "services": """\
  services-up:
    description: What runs on this machine answers.
    component: services
    target: 99.5%
    window: month
    exclude_maintenance: true
""",
    "samples": """\
  samples-good:
    description: The sample data are good.
    kind: quality
    component: samples
    threshold: 95
    target: 99%
    window: 30d
""",
}
_REPORTS = """
# Reports that are sent by themselves, through an email channel of alerting.yaml.
# reports:
#   weekly: {period: week, channel: team-mail, to: [data-team@example.com]}
"""


def promises_for(groups: Collection[str]) -> str:
    """The text of promises.yaml for the groups of sources that were found."""
    found = [text for group, text in _OBJECTIVES.items() if group in groups]
    return (_HEAD + "\n".join(found) if found else _HEAD.replace("objectives:", "objectives: {}")) + _REPORTS

"""A report as one HTML page that needs nothing else: for browsers, and for mail programs on phones and dark screens."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitoring_pipeline.reports.periodic.document import Picture, Report
from monitoring_pipeline.reports.periodic.wording import change, intro, shown

__all__ = ["embedded", "to_html"]


def embedded(picture: Picture) -> str:
    """The address of a picture that lies in the page itself."""
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"


def to_html(report: Report, address: Callable[[Picture], str] = embedded) -> str:
    """The page. In mail, where programs show no embedded pictures, `address` gives those of attached ones."""
    zone = report.period.zone
    page: str = _template().render(
        report=report, intro=intro(report), address=address,
        shown=lambda value, unit: shown(value, unit, zone), change=lambda fact: change(fact, zone),
    )  # fmt: skip
    return page


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("monitoring_pipeline.reports.periodic"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.jinja")

"""Well-known public open data: free, without an account, made for being asked."""

from __future__ import annotations

import asyncio
from typing import Any

from monitoring_pipeline.discovery.found import Found
from monitoring_pipeline.discovery.trial import Trial

__all__ = ["find_public"]


def _source(name: str, title: str, url: str, *conditions: Any, interval: str = "5m") -> dict[str, Any]:
    check = {"kind": "http", "url": url, "interval": interval, "timeout": "15s"}
    return {
        "id": name, "name": title, "use": "public-open-data",
        "checks": [check | ({"conditions": ["status == 200", *conditions]})],
    }  # fmt: skip


_SLOW = {"warning": "response_time_ms < 3000"}
_SOURCES = (
    _source(
        "open-meteo", "Open-Meteo weather forecast",
        "https://api.open-meteo.com/v1/forecast?latitude=52.52&longitude=13.41&current=temperature_2m",
        "json.current.temperature_2m between -60 and 60", _SLOW,
    ),
    _source(
        "usgs-earthquakes", "USGS earthquakes of the last day",
        "https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary/2.5_day.geojson",
        "json.metadata.count > 0", _SLOW,
    ),
    _source(
        "world-bank", "World Bank population figures",
        "https://api.worldbank.org/v2/country/WLD/indicator/SP.POP.TOTL?format=json&per_page=1",
        "length(json) == 2", _SLOW, interval="30m",
    ),
    _source(
        "wikipedia", "Wikipedia API",
        "https://en.wikipedia.org/w/api.php?action=query&meta=siteinfo&siprop=statistics&format=json",
        "json.query.statistics.articles > 6000000", _SLOW,
    ),
    _source(
        "data-gov", "data.gov, the catalogue of US federal open data", "https://data.gov/", _SLOW, interval="30m"
    ),
)  # fmt: skip


async def find_public(trial: Trial, *, wanted: bool) -> list[Found]:
    """All of them; tried, and enabled, only when they are wanted."""
    if not wanted:
        return [_found(source, enabled=False) for source in _SOURCES]
    tried = await asyncio.gather(*(trial.run(source["id"], source["checks"]) for source in _SOURCES))
    return [
        _found(source, enabled=True, status=status, message=message)
        for source, (status, message) in zip(_SOURCES, tried, strict=True)
    ]


def _found(source: dict[str, Any], **facts: Any) -> Found:
    host = source["checks"][0]["url"].split("/")[2]
    return Found("public-open-data", source["name"], host, source, **facts)

"""Silences that people added mute the alerts they match."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import structlog
from pydantic import ValidationError

from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.stage import Batch, Reason, Verdict
from monitoring_pipeline.alerting.stages.mute import ask
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.records import Alert
from monitoring_pipeline.store import silences as stored
from monitoring_pipeline.store.silences import Silence, SilenceKind

__all__ = ["Silences", "matcher_of", "silence"]

log = structlog.get_logger(__name__)


def silence(batch: Batch) -> None:
    """Asks which alerts somebody silenced."""
    found = stored.active(batch.connection, batch.now, SilenceKind.SILENCE)
    ask(batch, Silences(batch.world, found, Verdict.SILENCED))


class Silences:
    """Silences, or maintenance announced by people, that are in force."""

    def __init__(self, world: World, found: Iterable[Silence], verdict: Verdict) -> None:
        self._world, self._verdict = world, verdict
        matchers = ((each, matcher_of(json.dumps(dict(each.matchers), sort_keys=True))) for each in found)
        self._found = [(each, matcher) for each, matcher in matchers if matcher is not None]

    def mutes(self, alert: Alert, now: datetime) -> Reason | None:
        """The first that matches, with who said it and why."""
        for each, matcher in self._found:
            if each.is_active(now) and self._world.matches(matcher, alert):
                return Reason(self._verdict, _text(each))
        return None


@lru_cache(maxsize=1024)
def matcher_of(text: str) -> Matcher | None:
    """The matcher of a silence, from its JSON; None for one that cannot be read."""
    try:
        return Matcher.model_validate_json(text)
    except ValidationError as error:  # written by another version: one silence less, not all stages
        log.warning("a silence cannot be read", matchers=text, error=str(error))
        return None


def _text(silence: Silence) -> str:
    until = "until ended" if silence.ends is None else f"until {silence.ends:%Y-%m-%d %H:%M:%S} UTC"
    by = f" by {silence.author}" if silence.author else ""
    return f"{silence.kind} {silence.id}{by} {until}" + (f": {silence.reason}" if silence.reason else "")

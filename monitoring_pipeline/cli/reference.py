"""Writes docs/cli.md: `python -m monitoring_pipeline.cli.reference > docs/cli.md`.

A test fails when the file is stale, and when `--json` prints other keys than are documented here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.root import busta

__all__ = ["SHAPES", "reference"]

_WIDTH = 100

_INTRODUCTION = """\
# The command line: busta

<!-- Generated: python -m monitoring_pipeline.cli.reference > docs/cli.md -->

`busta` shows, checks and runs one installation: the one whose `monitoring.yaml` is named by `--config`,
else by `$BUSTA_CONFIG`, else lies in the current folder.

Data goes to stdout, progress and errors to stderr, an error in one line each. Colours are off when the
output is not a terminal or `NO_COLOR` is set. Times are shown in this machine's time zone.

## Exit codes

| code | meaning |
|---|---|
"""

_JSON = """\

## JSON

Every command that prints data takes `--json`: one document on stdout and nothing else. Moments are
UTC, ISO 8601 with `Z`; durations are numbers of seconds or milliseconds, as the key says; a status is
`healthy`, `unknown`, `warning` or `critical`. Keys may be added, never removed or renamed.

"""

_ALERT = (
    "id, rule, source, name, check, component, owner, severity, state, mode, summary, text, value, unit, started, "
    "fired, acknowledged (at, by, until), resolved, resolution, age_s, count, flapping, suppressed_by, labels, "
    "description, runbook, notifications (numbers per state), escalation (policy, state, level, levels, round, next_at)"
)
_NOTIFICATION = (
    "id, created, kind, reason, channel, recipient, severity, title, state, due, attempts, sent, error, alerts, "
    "fallback_for, key"
)
_COLLECTOR_KEYS = (
    "collector, source, declared, status, reason, window, every_s, silent_s, first, last, last_success, last_error, "
    "failures_in_row, unusual, windows, checks"
)
_COLLECTOR = (
    f"{_COLLECTOR_KEYS}; windows by their length (5m, 1h, 1d, 7d), and checks of the last day by what they told of (or "
    "`all`), have attempts, failures, failure_rate, success_rate, attempts_per_minute, rows, rows_per_minute, bytes, "
    "p50_ms, p95_ms, quality"
)
_SILENCE = "id, kind, matchers, author, reason, created, starts, ends, ended_by, active"

SHAPES: Mapping[str, Mapping[str, str]] = {
    "init": {
        "config": "path of the configuration that was written",
        "files": "all files that were written",
        "found": "what was found: id, group, what, where, enabled, status, message, kinds",
    },
    "sources health": {
        "at": "the moment of all this",
        "status": "of the whole system",
        "score": "0-100, null when nothing is known",
        "reason": "why it is not healthy",
        "watching": "whether checks are served now: alive, heartbeat",
        "counts": "number of sources per status",
        "components": "id, status, score, reason, counts",
        "sources": "as of `sources list`, those asked for, the worst first",
    },
    "sources list": {
        "at": "the moment of all this",
        "sources": (
            "id, name, component, owner, criticality, tags, depends_on, status, score, reason, since, last_checked, "
            "response_time_ms, breaker (state, until), checks (id, kind, critical, status, message, since, "
            "last_finished, next_slot, response_time_ms, failures, overdue_s)"
        ),
    },
    "sources show": {
        "at": "the moment of all this",
        "definitions": "the checks as configured, by id: kind, conditions, and what is not default",
        "push_urls": "of heartbeat checks, by id",
        "last_results": "as `results` of `sources history`",
        "description": "what the source is",
        "...": "and all keys of a source of `sources list`",
    },
    "report": {
        "installation": "its name",
        "scope": "system, component or source",
        "subject": "what it is about",
        "title": "subject and period, in words",
        "period": "kind, name (such as 2026-W48), start, end, timezone",
        "made": "when",
        "complete": "whether the period was over",
        "sections": (
            "availability, promises, alerts, response, quality, events, outlook, collection, watching; of each: title, "
            "text, absent (why there is nothing, or null), facts (name, unit, value, before), tables (title, columns "
            "(name, unit), rows, left_out)"
        ),
    },
    "sources check": {
        "results": (
            "source, check, kind, status, message, started, finished, response_time_ms, attempts, errors, warnings, "
            "details, samples (metric, value, unit, tags); the worst first"
        ),
    },
    "sources history": {
        "source": "its id",
        "check": "the check asked for, or null",
        "since": "begin of the span",
        "until": "end of the span",
        "summary": (
            "healthy, warning, critical, unknown (numbers of results), gap_slots, availability (percent of what is "
            "known, or null), source; null without results"
        ),
        "results": (
            "check, kind, slot, started, finished, status, response_time_ms, attempts, message, details, skipped, "
            "manual; newest first"
        ),
        "gaps": "check, start, end, slots, reason; newest first",
        "response_series": "60 buckets: start, count, avg_ms, p95_ms, max_ms",
    },
    "quality run": {
        "runs": (
            "source, suite, started, at, status, score, rows, expectations, failed, errors, message, dimensions "
            "(scores by name), profile (columns, schema, changes, examined, newest, metrics, seconds), findings (name, "
            "type, text, met, status, dimension, severity, weight, share, columns, checked, failed, rows)"
        ),
    },
    "quality show": {
        "at": "the moment of all this",
        "sources": (
            "source, status, score, dimensions, suites (suite, status, reason, configured, blocking, run as of "
            "`quality run`, or null)"
        ),
    },
    "sources alerts": {"at": "the moment of all this", "alerts": "as of `alerts list`"},
    "sources explain": {
        "source": "its id",
        "at": "the moment",
        "status": "of the source then",
        "since": "since when",
        "reason": "why",
        "score": "its health score then",
        "answer": "sentences: how it was, what fired or why nothing did, what was muted",
        "rules": (
            "rule, check, mode, verdict (holds, does_not_hold, unknown, off, failed), text, severity, value, alert"
        ),
        "other_rules": "ids of rules that mean other sources",
        "alerts": "open then: id, rule, state, severity",
        "mutes": "in force then: kind (silence, maintenance, window), text, until, whole",
        "decisions": "five minutes around: at, alert, rule, stage, verdict, detail",
        "notifications": "five minutes around, as of `notifications log`",
    },
    "alerts list": {"at": "the moment of all this", "alerts": f"the worst first: {_ALERT}"},
    "alerts show": {
        "at": "the moment of all this",
        "transitions": "at, before, after, severity, reason, text, by; oldest first",
        "notes": "at, by, text",
        "audit": "what people did: at, actor, action, detail",
        "told": "notifications, as of `notifications log`",
        "related": "id, rule, source, severity, state, started, resolved, why",
        "...": "and all keys of an alert of `alerts list`",
    },
    "alerts explain": {
        "alert": "as of `alerts list`",
        "steps": "at, kind (changed, done, decided, told, tried), what, text, by; oldest first",
    },
    "alerts history": {
        "since": "begin of the span",
        "until": "end of the span",
        "summary": "of those listed: alerts, open, told (numbers), median_s (how long those that are over lasted)",
        "alerts": "as of `alerts list`, newest first",
    },
    "sla show": {
        "at": "the moment of all this",
        "standings": (
            "the worst first: objective, kind, description, scope (source, component, all), subject, sources, target "
            "(percent), unit (seconds, checks), period (name, start, end, rolling, until), kept, kept_as_measured, "
            "corrected and measured (good, bad, unknown, excluded, and in percent attained, at_least, coverage), "
            "budget (allowed, used, left, left_percent), burn (rates by window), exhausted_at, pace (the window the "
            "forecast goes by), corrections (numbers of entries of the ledger)"
        ),
    },
    "sla reliability": {
        "start": "begin of the span",
        "end": "end of the span",
        "system": (
            "failures, ended, hazy (ended while nobody looked), detected, acknowledged, mtbf_s, mttr_s, mttd_s, "
            "mtta_s; null where there is none"
        ),
        "components": "id, and the same",
        "sources": "id, and the same",
    },
    "sla ledger": {
        "entries": (
            "number, at, author, source, start, end, as, objective, reason, revokes, previous, hash; oldest first"
        ),
    },
    "sla verify": {
        "entries": "how many there are",
        "whole": "whether the chain is",
        "broken": "number of the first entry that cannot be trusted, why; or null",
    },
    "silences list": {"at": "the moment of all this", "silences": _SILENCE},
    "maintenance list": {
        "at": "the moment of all this",
        "announced": f"by command: {_SILENCE}",
        "windows": "the next of the configuration: name, start, end, open, sources",
    },
    "oncall who": {
        "at": "the moment",
        "rotas": "rota, person, name, start, end, why (turn, override, calendar, nobody)",
    },
    "oncall show": {
        "since": "begin of the span",
        "until": "end of the span",
        "rotas": "rota, shifts (person, start, end, why)",
    },
    "anomalies": {
        "since": "the begin of what is shown",
        "at": "the moment of all this",
        "anomalies": (
            "newest first: source, check, metric, kind (anomaly, flatline, level_shift, gap), began, ended, open, "
            "severity, text, value, score, expected_low, expected_high, unit, tags, confirmed, "
            "isolation, combined"
        ),
    },
    "sources baseline": {
        "source": "the source's id",
        "baselines": (
            "per series: source, check, metric, tags, unit, learning, paused, slots (weekday with Monday as 0, hour, "
            "low, expected, high)"
        ),
    },
    "sources relearn": {
        "source": "the source's id",
        "from": "since when it was not normal",
        "to": "until when",
        "series": "how many series were learnt",
        "samples": "from how many samples",
    },
    "collectors list": {"at": "the moment of all this", "collectors": f"the worst first: {_COLLECTOR}"},
    "collectors show": {
        "at": "the moment of all this",
        **dict.fromkeys(_COLLECTOR_KEYS.split(", "), "as of `collectors list`"),
        "latest": (
            "newest first: key, source, success, at, received, check_type, rows, bytes, duration_ms, quality, error, "
            "tags"
        ),
    },
    "collectors token": {"url": "where to report", "token": "what to show there; a secret"},
    "channels list": {
        "channels": "name, kind, enabled, minimum_severity, send_resolved, fallback, attempts, self_test_s",
    },
    "channels status": {
        "at": "the moment of all this",
        "channels": (
            "name, kind, enabled, last_ok, last_failed, error, failures, tested, blocked_until, waiting, dead, "
            "self_test_s"
        ),
    },
    "channels test": {
        "channel": "its name",
        "sent": "whether the provider took the message",
        "code": "what the provider answered, or null",
        "detail": "its words, or the error",
    },
    "notifications log": {"at": "the moment of all this", "notifications": f"newest first: {_NOTIFICATION}"},
    "notifications show": {
        **dict.fromkeys(_NOTIFICATION.split(", "), "as of `notifications log`"),
        "tries": "at, duration_ms, outcome, code, detail, worker; oldest first",
    },
    "rules list": {
        "at": "the moment of all this",
        "rules": (
            "id, mode, kind, per, for, description, sources (how many it is about), open_alerts (how many fire), when"
        ),
    },
    "rules test": {"tests": "name, failures (texts; none: it passed)"},
    "rules backtest": {
        "rule": "its id",
        "since": "begin of the span",
        "until": "end of the span",
        "subjects": "how many sources, or checks, it is about",
        "evaluations": "how often it was evaluated",
        "alerts": "how many there would have been",
        "pages": "how many messages about them",
        "pages_per_week": "the same per week",
        "firing_minutes": "how long they would have fired, together",
        "incidents": "how many there really were",
        "precision": "share of the alerts that fell into an incident, 0-1, or null",
        "recall": "share of the incidents that had an alert, 0-1, or null",
        "episodes": "source, check, severity, started, fired, resolved, text, pages",
    },
    "config validate": {
        "path": "the file",
        "valid": "true or false",
        "problems": "file, line, column, path, message",
        "warnings": "texts",
        "sources": "how many, when valid",
        "checks": "how many, when valid",
        "components": "how many, when valid",
    },
    "doctor": {
        "at": "the moment of the examination",
        "config": "path of the configuration",
        "findings": "verdict (ok, warning, problem), about, message, advice",
    },
    "sources trends": {
        "source": "the source; without one `at`, the day the trends are of",
        "since, until": "the stretch that was looked at",
        "trends": (
            "source, check_id, metric, unit, tags, since, until, direction, strength (0-1), slope_per_day, change, "
            "change_percent, level, volatility, season, p_value, points, text"
        ),
    },
    "sources forecast": {
        "source": "the source",
        "learnt_from, at": "the past it was learnt from, which ends at `at`",
        "forecasts": (
            "source, check_id, metric, unit, tags, interval, mase, weights, learning, steps (at, point, low, high)"
        ),
        "capacity": (
            "source, check_id, metric, unit, tags, limit_value, above, why, state, now, horizon_h, earliest_h, "
            "likely_h, latest_h, chance, per_day, resets, text"
        ),
    },
    "risks": {
        "at": "the moment they speak for, null before the first",
        "system": "risk (0-100), top (the sources that make most of it)",
        "risks": "source, status, risk, chance_1h, chance_24h, usual_24h, reasons, actions (text, because)",
        "capacity": "as of `sources forecast`",
        "predictors": "horizon_h, used, cases, failures, brier, base_brier, weights, calibration",
        "patterns": "of one source: as of `patterns`",
    },
    "patterns": {
        "at": "when they were looked for, null before the first time",
        "patterns": (
            "source, kind, other, text, p_value, q_value, support, total, expected, first, last, examples, detail"
        ),
    },
    "performance": {
        "at": "the day it is of, null before the first",
        "performance": (
            "component, score (0-100), measured (aspect, baseline, now, ratio, score, unit, series, worst), "
            "recommendations"
        ),
    },
}
"""The keys of each command's document, with their meaning."""


def reference() -> str:
    """The whole text."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in exits.EXPLAINED.items())
    parts = [_INTRODUCTION + codes, "\n## Commands\n"]
    names = busta.context_settings["help_option_names"]
    root = click.Context(
        busta, info_name="busta", max_content_width=_WIDTH, terminal_width=_WIDTH, help_option_names=names
    )
    for context, command in _commands(root, busta):
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts.append(f"\n### {context.command_path}\n\n```text\n{text}\n```\n")
    parts.append(_JSON)
    for name, keys in SHAPES.items():
        rows = "".join(f"| `{key}` | {meaning} |\n" for key, meaning in keys.items())
        parts.append(f"### {name} --json\n\n| key | value |\n|---|---|\n{rows}\n")
    parts.append("`config show --json` prints the resolved configuration, `config schema` a JSON Schema.\n")
    return "".join(parts)


def _commands(context: click.Context, command: click.Command) -> Iterator[tuple[click.Context, click.Command]]:
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _commands(
                    click.Context(below, context, info_name=name, max_content_width=_WIDTH, terminal_width=_WIDTH),
                    below,
                )


if __name__ == "__main__":
    sys.stdout.write(reference())

"""The first rules and channels: one that tells, and others that only show what they would have told."""

from __future__ import annotations

__all__ = ["ALERTING"]

ALERTING = """\
# When to alert, and whom to tell. Written by `busta init`; it is yours to change.
#
#   busta alerts list                           what fires now; with --shadow also what nobody is told
#   busta alerts explain ID                     everything that happened to an alert, and why
#   busta rules backtest source-warning         what a rule would have told in the past
#   busta channels test board                   sends a test message
#
# Rules, their conditions: docs/rules.md. Channels: docs/channels.md. How it all works: docs/alerting.md.

rules:
  - id: source-critical
    description: A source has been critical for a minute.
    when: {kind: status, warning: null}
    severity: critical
    for: 1m

  # Rules in shadow are judged like others and tell nobody: look at what they would have told with
  # `busta alerts history --shadow`, and take the line `mode: shadow` away when you like it.
  - id: source-warning
    description: A source has been a warning for five minutes.
    when: {kind: status, critical: null}
    severity: warning
    for: 5m
    mode: shadow

  - id: source-unknown
    description: Nothing could be found out about a source for ten minutes.
    when: {kind: status, critical: null, warning: null, unknown: warning}
    severity: warning
    for: 10m
    mode: shadow

  - id: monitoring-runs
    description: Runs of the monitoring itself failed in the last ten minutes.
    sources: {source: monitoring}
    when: {kind: metric, metric: run_failures, aggregation: count, window: 10m, threshold: 0}
    severity: warning
    mode: shadow

  - id: monitoring-undelivered
    description: Messages about alerts could not be delivered and were given up in the last hour.
    sources: {source: monitoring}
    when: {kind: metric, metric: dead_letters, window: 10m, threshold: 0}
    severity: error
    mode: shadow

  # The numbers behind these are computed as time goes on: scores once a series was learnt, quality by suites.
  - id: answers-strangely
    description: Answers take strangely long, or come strangely fast, for this time of the week.
    when: {kind: anomaly, metric: response_time_ms}
    for: 2m
    mode: shadow

  - id: data-quality
    description: The data of a source are not as its suites say they should be.
    when: {kind: quality, threshold: {warning: 95, critical: 80}}
    mode: shadow

  # Whatever else runs in this Dagster: jobs that fail, and asset checks that do not pass (1: warning, 2: error).
  - id: dagster-runs
    description: The last run of a Dagster job failed.
    sources: {source: dagster-events}
    per: check
    when: {kind: metric, metric: run_failed, window: 7d, threshold: 0}
    severity: error
    mode: shadow

  - id: dagster-asset-checks
    description: The last evaluation of a Dagster asset check did not pass.
    sources: {source: dagster-events}
    per: check
    when: {kind: metric, metric: asset_check_failed, window: 7d, threshold: {warning: 0, error: 1}}
    mode: shadow

# Through what people are told. Without `alerting: {routes: ...}` in monitoring.yaml every channel is told everything.
channels:
  # What is told there is in `busta notifications log` and in the API; nothing leaves this machine.
  board: {kind: dashboard}

  # team-mail:
  #   kind: email
  #   host: smtp.example.com
  #   username: alerts@example.com
  #   password: ${SMTP_PASSWORD}
  #   sender: Monitoring <alerts@example.com>
  #   to: [data-team@example.com]
  # team-chat:
  #   kind: slack
  #   webhook_url: ${SLACK_WEBHOOK_URL}
  #   minimum_severity: warning
  # hook:
  #   kind: webhook
  #   url: https://hooks.example.com/alerts
  #   secret: ${ALERT_WEBHOOK_SECRET}
  #   fallback: team-mail                       # told what the hook cannot deliver
"""

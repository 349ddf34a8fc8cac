"""The sections of alerting: what they load to, and what is said about them, with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.alerting.delivery.channel import Channel, channel_kinds
from monitoring_pipeline.alerting.rules.condition import Condition, condition_kinds
from monitoring_pipeline.alerting.rules.defaults import default_rules
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.config import alerting, dump_config, loading
from monitoring_pipeline.config.validation import SLUG
from monitoring_pipeline.kinds import Kinds
from monitoring_pipeline.records import Severity
from tests.config.conftest import Load, Problems

CONDITIONS = ", ".join(sorted(condition_kinds().by_name))
CHANNELS = ", ".join(sorted(channel_kinds().by_name))
RULE_KEYS = ", ".join(sorted(info.alias or name for name, info in Rule.model_fields.items()))

SOURCES = """\
sources:
  - {id: db, component: data, owner: data, tags: [prod], checks: [{kind: tcp, host: x, port: 1}]}
  - {id: api, component: web, owner: web, checks: [{kind: http, id: health, url: "http://x", depends_on: []}]}
"""
WHOLE = (
    SOURCES
    + """\
rules:
  - {id: down, sources: {source: db}, when: {kind: status, warning: null}, flapping: null}
  - id: slow
    labels: {team: web}
    when: {kind: metric, metric: response_time_ms, threshold: {warning: 1, critical: 3}, clear: {warning: 1}}
    for: 1m
    summary: "{{ name }} is slow"
  - id: both
    when:
      kind: all
      of: [{kind: metric, metric: connect_ms, source: db, threshold: 1}, {kind: not, of: {kind: status}}]
channels:
  page: {kind: pagerduty, routing_key: "${KEY}", fallback: chat}
  chat: {kind: slack, token: xoxb-0123456789, channel: C1, storm_cap: null, rate_limit: {messages: 3}}
  mail: {kind: email, host: localhost, sender: a@example.com}
people:
  ann: {slack: U1, email: ann@example.com, channels: [chat, mail], quiet_hours: [{from: "22:00", to: "07:00"}]}
  ben: {email: ben@example.com, timezone: Europe/Berlin}
teams:
  data: {members: [ann], oncall: primary}
  web: {channels: [chat]}
rotas:
  primary:
    people: [ann, ben]
    overrides: [{from: "2026-01-01T10:00", to: "2026-01-02T10:00", person: ann}]
escalations:
  ladder:
    levels: [{notify: ["person:ann", "team:data", "oncall:primary"]}, {after: 10m, notify: ["channel:chat"]}]
alerting:
  routes:
    - match: {rule: down, severity: [critical], labels: {team: [web]}, tag: prod}
      notify: ["channel:page"]
      escalation: ladder
      notify_owner: true
      hours: [{from: "08:00", to: "18:00", days: [mon]}]
    - {name: rest, notify: ["channel:chat"], group_by: [source, team], repeat_interval: null}
  inhibitions:
    - {by: {source: db}, mute: {severity: [warning]}, equal: [component]}
maintenance:
  - {name: nightly, sources: {component: [web, "da*"]}, cron: "0 1 * * *", duration: 1h}
  - {name: move, sources: {source: api}, start: "2026-01-01T10:00", end: "2026-01-01T13:00+01:00"}
"""
)
ENVIRON = {"KEY": "very-secret-key"}


def test_the_whole_plan(load: Load) -> None:
    config = load(WHOLE, environ=ENVIRON)
    plan = config.alerting
    assert config.warnings == ()
    assert [rule.id for rule in plan.rules] == ["down", "slow", "both"]
    assert plan.rules[1].hold == timedelta(minutes=1)
    assert {name: channel.kind for name, channel in plan.channels.items()} == {
        "page": "pagerduty", "chat": "slack", "mail": "email",
    }  # fmt: skip
    assert plan.people["ann"].quiet_hours[0].above is Severity.CRITICAL
    assert plan.teams["data"].oncall == "primary"
    assert plan.rotas["primary"].people == ("ann", "ben")
    assert plan.escalations["ladder"].levels[1].after == timedelta(minutes=10)
    assert plan.spec.routes[0].match.severity == (Severity.CRITICAL,)
    assert plan.spec.inhibitions[0].equal == ("component",)
    assert [window.name for window in plan.maintenance] == ["nightly", "move"]


BAD = {
    "no rule": ("rules: [3]\n", ["1:9: rules[0]: a rule is a mapping that begins with `id:`"]),
    "no condition": ("rules: [{id: a}]\n", ["1:9: rules[0]: 'when' is required and missing"]),
    "condition that is a text": (
        "rules: [{id: a, when: down}]\n",
        [f"1:23: rules[0].when: a condition is a mapping with `kind:`, not 'down'; known kinds: {CONDITIONS}"],
    ),
    "kind of a condition": (
        "rules: [{id: a, when: {kind: statsu}}]\n",
        [("1:30: rules[0].when.kind: 'statsu' is not a condition kind; did you mean 'status'?; "
         f"known kinds: {CONDITIONS}")],
    ),
    "condition without a kind": (
        "rules: [{id: a, when: {metric: x}}]\n",
        [f"1:23: rules[0].when: 'kind' is required and missing; known kinds: {CONDITIONS}"],
    ),
    "keys of a condition": (
        "rules: [{id: a, when: {kind: status, critcal: error, warning: wrning}}]\n",
        [
            ("1:38: rules[0].when.critcal: unknown key 'critcal'; did you mean 'critical'?; "
            "allowed: check, critical, kind, source, unknown, warning"),
            ("1:63: rules[0].when.warning: 'wrning' is not allowed; did you mean 'warning'?; "
            "allowed: critical, error, info, warning"),
        ],
    ),
    "nested conditions": (
        ("rules:\n  - id: a\n    when:\n      kind: all\n      of:\n        - {kind: statu}\n"
        "        - {kind: any, of: []}\n"
        "        - {kind: any, of: [{kind: status, x: 1}], off: 2}\n        - {of: []}\n"),
        [
            ("6:18: rules[0].when.of[0].kind: 'statu' is not a condition kind; did you mean 'status'?; "
            f"known kinds: {CONDITIONS}"),
            "7:11: rules[0].when.of[1]: `of` is empty: give at least one condition",
            ("8:43: rules[0].when.of[2].of[0].x: unknown key 'x'; "
            "allowed: check, critical, kind, source, unknown, warning"),
            "8:51: rules[0].when.of[2].off: unknown key 'off'; did you mean 'of'?; allowed: kind, of",
            f"9:11: rules[0].when.of[3]: 'kind' is required and missing; known kinds: {CONDITIONS}",
        ],
    ),
    "fields of a rule": (
        "rules: [{id: a b, when: {kind: status}, for: soon, severity: fatal, sorces: {}}]\n",
        [
            f"1:14: rules[0].id: 'a b' should be {SLUG}",
            ("1:46: rules[0].for: 'soon': a duration is a number and a unit (us, ms, s, m, h, d, w), "
            "like 30s, 5m, 1h30m or 2d"),
            "1:62: rules[0].severity: 'fatal' is not allowed; allowed: critical, error, info, warning",
            f"1:69: rules[0].sorces: unknown key 'sorces'; did you mean 'sources'?; allowed: {RULE_KEYS}",
        ],
    ),
    "same rule twice": (
        "rules:\n  - {id: a, when: {kind: status}}\n  - {id: a}\n",
        [
            "3:5: rules[1]: 'when' is required and missing",
            "3:10: rules[1].id: the rule 'a' exists already at monitoring.yaml:2:10; ids are unique over all files",
        ],
    ),
    "summary": (
        "rules: [{id: a, when: {kind: status}, summary: '{{ nmae }}'}]\n",
        [("1:48: rules[0].summary: '{{ nmae }}': line 1: 'nmae' is not known here; known: check, component, labels, "
         "name, owner, rule, severity, source, tags, text, unit, value")],
    ),
    "channel": (
        "channels:\n  a: {}\n  b: {kind: emial}\n  c d: {kind: dashboard}\n  e: 3\n",
        [
            f"2:6: channels.a: 'kind' is required and missing; known kinds: {CHANNELS}",
            ("3:13: channels.b.kind: 'emial' is not a channel kind; did you mean 'email'?; "
            f"known kinds: {CHANNELS}"),
            f"4:3: channels.c d: 'c d' should be {SLUG}",
            "5:6: channels.e: a channel must be a mapping, not 3",
        ],
    ),
    "fallbacks in a circle": (
        ("channels:\n  a: {kind: dashboard, fallback: b}\n  b: {kind: dashboard, fallback: a}\n"
        "  c: {kind: dashboard, fallback: bb}\n"),
        [
            "2:34: channels.a.fallback: channels fall back on each other in a circle: a -> b -> a",
            "4:34: channels.c.fallback: 'bb' is not a channel; did you mean 'b'?; known channels: a, b, c",
        ],
    ),
    "targets": (
        ("channels: {chat: {kind: dashboard}}\npeople: {ann: {email: a@example.com}}\n"
        "escalations: {e: {levels: [{notify: [chat, 'team:ann', 'oncall:x', 'channel:cht']}]}}\n"),
        [
            ("3:38: escalations.e.levels[0].notify[0]: 'chat' should be "
            "channel:NAME, person:NAME, team:NAME or oncall:ROTA"),
            ("3:44: escalations.e.levels[0].notify[1]: 'team:ann': 'ann' is not a team; "
            "did you mean 'person:ann'?; known teams: none"),
            "3:56: escalations.e.levels[0].notify[2]: 'oncall:x': 'x' is not a rota; known rotas: none",
            ("3:68: escalations.e.levels[0].notify[3]: 'channel:cht': 'cht' is not a channel; "
            "did you mean 'chat'?; known channels: chat"),
        ],
    ),
    "routes": (
        "alerting:\n  routes:\n    - {name: a, notify: ['channel:x'], escalation: e}\n    - {name: a, notfy: []}\n",
        [
            "3:26: alerting.routes[0].notify[0]: 'channel:x': 'x' is not a channel; known channels: none",
            "3:52: alerting.routes[0].escalation: 'e' is not an escalation; known escalations: none",
            ("4:14: alerting.routes[1].name: the route 'a' exists already at monitoring.yaml:3:14; "
            "what was told is remembered by the name"),
            ("4:17: alerting.routes[1].notfy: unknown key 'notfy'; did you mean 'notify'?; allowed: continue, "
            "escalation, group_by, group_interval, group_wait, hours, match, name, notify, notify_owner, "
            "repeat_interval"),
        ],
    ),
    "teams and rotas": (
        ("people: {ann: {}}\nteams: {t: {members: [anne], channels: [c], oncall: r}}\n"
        "rotas: {s: {people: [ann, bob], overrides: [{from: '2026-01-01T10:00', to: '2026-01-02T10:00', person: x}]},"
        " empty: {}}\n"),
        [
            "2:23: teams.t.members[0]: 'anne' is not a person; did you mean 'ann'?; known people: ann",
            "2:41: teams.t.channels[0]: 'c' is not a channel; known channels: none",
            "2:53: teams.t.oncall: 'r' is not a rota; known rotas: empty, s",
            "3:27: rotas.s.people[1]: 'bob' is not a person; known people: ann",
            "3:104: rotas.s.overrides[0].person: 'x' is not a person; known people: ann",
            "3:117: rotas.empty: a rota has people, a calendar, or both",
        ],
    ),
    "a channel without the person's address": (
        ("channels: {mail: {kind: email, host: localhost, sender: a@example.com}}\n"
        "people: {ann: {channels: [mail], phone: '+49301234567'}}\n"),
        ["2:27: people.ann.channels[0]: the channel 'mail' needs the `email` of 'ann', which is not given"],
    ),
    "levels out of order": (
        ("people: {ann: {}}\n"
        "escalations: {e: {levels: [{after: 5m, notify: ['person:ann']}, {notify: ['person:ann']}]}}\n"),
        [("2:18: escalations.e: levels[1].after is 0s, earlier than 5m: levels come in the order of `after`")],
    ),
    "hours": (
        "alerting: {routes: [{hours: [{from: 8, to: '25:00', days: [monday]}]}]}\n",
        [
            "1:37: alerting.routes[0].hours[0].from: 8: a time of day is written like 22:00",
            ("1:44: alerting.routes[0].hours[0].to: '25:00' should be in a valid time format, hour value is outside "
            "expected range of 0-23"),
            ("1:60: alerting.routes[0].hours[0].days[0]: 'monday' is not allowed; did you mean 'mon'?; "
            "allowed: fri, mon, sat, sun, thu, tue, wed"),
        ],
    ),
    "maintenance": (
        ("maintenance:\n  - 3\n  - {name: a, sources: {}, cron: '* *', duration: 1h}\n"
        "  - {name: b, sources: {source: []}}\n"),
        [
            "2:5: maintenance[0]: a maintenance window is a mapping",
            ("3:34: maintenance[1].cron: '* *': not a cron expression (Wrong number of fields); "
            "five fields are wanted, such as: 30 6 * * *"),
            ("4:5: maintenance[2]: it does not say when it is: give `start` and `end`, or `cron` and `duration`, "
            "or `rrule`, `start` and `duration`, or `calendar` alone"),
        ],
    ),
    "places of a condition": (
        SOURCES + "rules:\n  - id: a\n    when:\n      kind: any\n      of:\n"
        "        - {kind: status, source: dbb}\n        - {kind: status, source: api, check: helth}\n"
        "        - {kind: expression, expression: x > 1.0, values: {x: {metric: m, source: ap}}}\n",
        [
            "9:34: rules[0].when.of[0].source: 'dbb' is not a source; did you mean 'db'?",
            "10:46: rules[0].when.of[1].check: 'helth' is not a check of 'api'; did you mean 'health'?",
            "11:83: rules[0].when.of[2].values.x.source: 'ap' is not a source; did you mean 'api'?",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_says_what_is_wrong_and_where(name: str, problems: Problems) -> None:
    text, lines = BAD[name]
    assert problems(text) == [f"monitoring.yaml:{line}" for line in lines]


ODD = {
    "selectors": (
        ("rules: [{id: a, sources: {source: [dbb, 'z*', db], component: wbe, tag: prd, owner: dta},"
        " when: {kind: status}}]\n"),
        [
            "4:36: there is no source 'dbb'; did you mean 'db'?",
            "4:41: there is no source 'z*'",
            "4:63: no source has the component 'wbe'; did you mean 'web'?",
            "4:73: no source has the tag 'prd'; did you mean 'prod'?",
            "4:85: no source has the owner 'dta'; did you mean 'data'?",
        ],
    ),
    "a rule about nothing": (
        "rules: [{id: a, sources: {source: api, tag: prod}, when: {kind: status}}]\n",
        ["4:26: the rule 'a' is about no source: nothing fits all of it"],
    ),
    "metrics": (
        ("rules:\n  - {id: a, when: {kind: metric, metric: conect_ms, threshold: 1}}\n"
        "  - {id: b, sources: {source: api}, when: {kind: anomaly, metric: rows}}\n"
        "  - {id: c, when: {kind: absence, metric: dns_ms, duration: 1h, tags: {source: x, metric: y}}}\n"),
        [
            "5:42: no check of the rule's sources measures 'conect_ms'; did you mean 'connect_ms'?",
            "6:67: no check of the rule's sources measures 'rows'",
        ],
    ),
    "checks": (
        "rules: [{id: a, when: {kind: status, check: heath}}]\n",
        ["4:45: no source of the rule has a check 'heath'; did you mean 'health'?"],
    ),
    "matchers": (
        ("rules: [{id: a, labels: {team: x}, when: {kind: status}}]\n"
        "alerting:\n  routes: [{match: {rule: b, labels: {taem: x}}, group_by: [surce, team]}]\n"
        "  inhibitions: [{by: {source: dbx}, mute: {rule: 'a*'}, equal: [severity]}]\n"),
        [
            "6:27: there is no rule 'b'",
            "6:39: no rule gives the label 'taem'; did you mean 'team'?",
            ("6:61: no rule gives the label 'surce', nor is it one of source, component, rule, check, severity, owner; "
            "did you mean 'source'?"),
            "7:31: there is no source 'dbx'; did you mean 'db'?",
            "7:65: no rule gives the label 'severity', nor is it one of source, component, rule, check, owner",
        ],
    ),
    "routes nobody gets to": (
        "alerting: {routes: [{continue: true}, {name: x}, {name: y}, {name: z}]}\n",
        ["4:50: nothing gets here: route 2 takes everything"],
    ),
    "reminders": (
        "alerting: {routes: [{repeat_interval: 5s, group_interval: 1m}]}\n",
        ["4:39: a reminder every 5s comes before what is new, which waits 1m (group_interval)"],
    ),
    "owners": (
        ("people: {ann: {}}\nchannels: {board: {kind: dashboard}}\nteams: {dat: {members: [ann], channels: [board]}}\n"
        "alerting: {routes: [{notify_owner: true}]}\n"),
        [
            "4:10: no channel reaches the person 'ann': give an address, and a channel for it",
            "2:38: the owner 'data' is no team, so nobody is told as owner; did you mean 'dat'?",
            "3:38: the owner 'web' is no team, so nobody is told as owner",
        ],
    ),
    "owners without teams": (
        "alerting: {routes: [{notify_owner: true}]}\n",
        ["4:36: there are no `teams`, so no owner of a source can be told"],
    ),
    "people and teams nobody reaches": (
        ("channels: {mail: {kind: email, host: localhost, sender: a@example.com}, sms: {kind: sms, account_sid: AC1,"
        " auth_token: secret, sender: x}}\npeople: {ann: {slack: U1}, ben: {phone: '+49301234567'}}\nteams: {t: {}}\n"),
        [
            "6:9: the team 't' reaches nobody: give it `members`, `channels` or `oncall`",
            "5:10: no channel reaches the person 'ann': give `email` or `phone`",
        ],
    ),
    "maintenance of nothing": (
        "maintenance: [{name: a, sources: {source: apy}, cron: '0 1 * * *', duration: 1h}]\n",
        ["4:43: there is no source 'apy'; did you mean 'api'?"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_warns_of_what_means_nothing(name: str, load: Load) -> None:
    text, lines = ODD[name]
    assert load(SOURCES + text).warnings == tuple(f"monitoring.yaml:{line}" for line in lines)


def test_nothing_is_said_where_nobody_can_tell(load: Load) -> None:
    """Samples of one's own, what is reported from outside, and sources that nobody configures."""
    text = """\
        sources:
          - {id: a, checks: [{kind: python, call: "json:loads"}]}
        rules:
          - {id: own, when: {kind: metric, metric: anything, threshold: 1}}
          - {id: ours, sources: {source: monitoring}, when: {kind: metric, metric: run_failures, threshold: 1}}
          - {id: jobs, sources: {component: dagster}, when: {kind: metric, metric: run_failed, threshold: 0}}
          - {id: quality, when: {kind: quality, threshold: 90}}
        """
    assert load(text).warnings == ()


def test_calendars_count_from_the_configuration_and_must_be_readable(load: Load, tmp_path: Path) -> None:
    window = "maintenance: [{name: x, sources: {}, calendar: b.ics}]\n"
    text = f"sources: [{{id: a}}]\nrotas: {{r: {{calendar: on call.ics}}}}\n{window}"
    files = {"teams/x.yaml": "rotas: {q: {calendar: q.ics}}\n", "b.ics": "BEGIN:NOTHING\n"}
    config = load("include: [teams/x.yaml]\n" + text, files)
    assert config.alerting.rotas["r"].calendar == tmp_path / "on call.ics"
    assert config.alerting.rotas["q"].calendar == tmp_path / "q.ics"
    assert config.alerting.maintenance[0].calendar == tmp_path / "b.ics"
    places = [warning.split(": ")[0] for warning in config.warnings]
    assert places == ["monitoring.yaml:3:23", "teams/x.yaml:1:23", "monitoring.yaml:4:48"]
    assert f"the calendar file {tmp_path / 'on call.ics'} cannot be read: No such file" in config.warnings[0]
    assert "is not an iCalendar file" in config.warnings[2]


def test_included_files_hold_everything_but_alerting(load: Load, problems: Problems) -> None:
    files = {
        "web.yaml": """\
            rules: [{id: b, when: {kind: status}}]
            channels: {chat: {kind: dashboard}}
            people: {ann: {}}
            teams: {web: {members: [ann], channels: [board]}}
            rotas: {r: {people: [ann]}}
            escalations: {e: {levels: [{notify: ["oncall:r"]}]}}
            maintenance: [{name: x, sources: {source: a}, cron: "0 1 * * *", duration: 1h}]
            """
    }
    rule = "rules: [{id: a, when: {kind: status}}]\n"
    main = "include: [web.yaml]\nsources: [{id: a}]\nchannels: {board: {kind: dashboard}}\n" + rule
    plan = load(main, files).alerting
    assert [rule.id for rule in plan.rules] == ["a", "b"]
    assert set(plan.channels) == {"board", "chat"}
    assert (set(plan.people), set(plan.teams), set(plan.rotas), set(plan.escalations)) == (
        {"ann"}, {"web"}, {"r"}, {"e"},
    )  # fmt: skip
    assert len(plan.maintenance) == 1
    twice = {"web.yaml": "alerting: {}\nchannels: {board: {kind: dashboard}}\n" + rule}
    found = [line.split("; ")[0] for line in problems(main, twice)]
    assert found == [
        "web.yaml:1:1: alerting: 'alerting' belongs into the main file",
        "web.yaml:2:12: channels.board: the channel 'board' exists already at monitoring.yaml:3:12",
        "web.yaml:3:14: rules[0].id: the rule 'a' exists already at monitoring.yaml:4:14",
    ]


def test_the_built_in_rules_apply_where_there_are_none(load: Load) -> None:
    def ids(text: str, files: dict[str, str] | None = None) -> list[str]:
        return [rule.id for rule in load("sources: [{id: a}]\n" + text, files).alerting.rules]

    built_in = [rule.id for rule in default_rules()]
    own = "rules: [{id: mine, when: {kind: status}}, {id: source-warning, when: {kind: status}}]\n"
    assert built_in == [
        "source-critical", "source-warning", "source-unknown", "monitoring-runs", "monitoring-undelivered",
        "dagster-runs", "dagster-asset-checks",
    ]  # fmt: skip
    assert ids("") == built_in
    assert ids("rules:\n") == built_in
    assert ids("rules: []\n") == []
    assert ids("alerting: {defaults: false}\n") == []
    assert ids(own) == ["mine", "source-warning"]
    assert ids("include: [x.yaml]\n", {"x.yaml": "rules: []\n"}) == []
    assert ids("alerting: {defaults: true}\n" + own) == [
        "mine", "source-warning", "source-critical", *built_in[2:],
    ]  # fmt: skip


def test_secrets_of_channels_are_nowhere(load: Load) -> None:
    config = load(WHOLE.replace("very-", ""), environ=ENVIRON)
    assert {"very-secret-key", "xoxb-0123456789"} <= config.secrets
    shown = dump_config(config) + repr(config.alerting) + str(config.alerting)
    assert "very-secret-key" not in shown
    assert "xoxb" not in shown
    assert "routing_key: '**********'" in dump_config(config)


@pytest.mark.parametrize("spelling", ["${S}", "${file:secret.txt}"])
@pytest.mark.parametrize(
    "text",
    [
        "channels: {a: {kind: webhook, url: 'ftp://${S}'}}",
        "channels: {a: {kind: pagerduty, routing_key: ['${S}']}}",
        "channels: {a: {kind: webhook, url: 'http://x', secret: {x: '${S}'}}}",
        "channels: {a: {kind: webhook, url: 'http://x', headers: {Authorization: ['${S}']}}}",
        "channels: {a: {kind: '${S}'}}",
        "rules: [{id: '${S} x', when: {kind: '${S}'}}]",
        "rules: [{id: a, when: '${S}', summary: '{{ ${S} }'}]",
        "rules: [{id: a, when: {kind: status, source: '${S}'}}]",
        "people: {a: {channels: ['${S}'], timezone: '${S}'}}",
        "alerting: {routes: [{notify: ['channel:${S}', '${S}'], escalation: '${S}'}]}",
    ],
)
def test_no_error_shows_a_value_that_was_filled_in(text: str, spelling: str, problems: Problems) -> None:
    secret = "tr0ub4dor-and-3"
    lines = problems(text.replace("${S}", spelling), {"secret.txt": secret}, {"S": secret})
    assert lines
    assert secret not in "\n".join(lines)


def test_a_dump_loads_to_the_same_plan(load: Load) -> None:
    first = load(WHOLE, environ=ENVIRON)
    again = load(dump_config(first)).alerting
    plan = first.alerting
    assert again.rules == plan.rules
    assert (again.people, again.teams, again.rotas) == (plan.people, plan.teams, plan.rotas)
    assert (again.escalations, again.maintenance) == (plan.escalations, plan.maintenance)
    assert again.spec == plan.spec.model_copy(update={"defaults": False})
    assert again.channels["mail"] == plan.channels["mail"]


def test_built_in_rules_are_written_out(load: Load) -> None:
    plan = load("sources: [{id: a}]\n").alerting
    assert load(dump_config(load("sources: [{id: a}]\n"))).alerting.rules == plan.rules


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for: 1m", "for: 2m"),
        ("storm_cap: null", "storm_cap: {messages: 5}"),
        ("slack: U1", "slack: U2"),
        ("oncall: primary", "oncall: primary, minimum_severity: error"),
        ("people: [ann, ben]", "people: [ben, ann]"),
        ("after: 10m", "after: 11m"),
        ("repeat_interval: null", "repeat_interval: 1d"),
        ("duration: 1h", "duration: 2h"),
    ],
)
def test_the_fingerprint_follows_every_section(before: str, after: str, load: Load) -> None:
    assert before in WHOLE
    changed = load(WHOLE.replace(before, after), environ=ENVIRON).fingerprint
    assert changed != load(WHOLE, environ=ENVIRON).fingerprint
    assert load(WHOLE + "# a comment\n", environ=ENVIRON).fingerprint == load(WHOLE, environ=ENVIRON).fingerprint
    assert load(WHOLE, environ={"KEY": "another"}).fingerprint != changed


def test_broken_plug_ins_are_warnings(load: Load, monkeypatch: pytest.MonkeyPatch, problems: Problems) -> None:
    channels: Kinds[Channel] = Kinds(channel_kinds().by_name, {"pigeon": "ImportError: no wings"})
    conditions: Kinds[Condition] = Kinds(condition_kinds().by_name, {"moon": "ImportError: no moon"})
    for module in (loading, alerting):
        monkeypatch.setattr(module, "channel_kinds", lambda: channels)
    monkeypatch.setattr(loading, "condition_kinds", lambda: conditions)
    assert load("sources: [{id: a}]\n").warnings == (
        "the condition kind 'moon' could not be loaded: ImportError: no moon",
        "the channel kind 'pigeon' could not be loaded: ImportError: no wings",
    )
    (line,) = problems("channels: {a: {kind: pigeon}}\n")
    assert line.endswith("; its plug-in could not be loaded: ImportError: no wings")


def test_many_rules(load: Load) -> None:
    rules = "".join(
        f"  - {{id: r{n}, sources: {{source: s{n % 100}}}, when: {{kind: metric, metric: dns_ms, threshold: {n}}}}}\n"
        for n in range(3000)
    )
    sources = "".join(f"  - {{id: s{n}, checks: [{{kind: tcp, host: x, port: 1}}]}}\n" for n in range(100))
    config = load(
        f"sources:\n{sources}rules:\n{rules}  - {{id: odd, when: {{kind: metric, metric: dn_ms, threshold: 1}}}}\n"
    )
    assert len(config.alerting.rules) == 3001
    assert config.warnings == (
        "monitoring.yaml:3103:44: no check of the rule's sources measures 'dn_ms'; did you mean 'dns_ms'?",
    )

"""What is said about wrong configurations: the exact lines, with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring_pipeline.checks.check import check_kinds
from monitoring_pipeline.config import load_config
from monitoring_pipeline.config.validation import SLUG
from monitoring_pipeline.errors import ConfigError
from tests.config.conftest import Load, Problems

HEAD_KEYS = (
    "alerting, analysis, api, channels, collectors, components, defaults, escalations, execution, include, "
    "maintenance, name, objectives, people, reports, retention, rotas, rules, sources, stores, suites, teams, "
    "templates, version"
)
KINDS = ", ".join(sorted(check_kinds().by_name))

BAD = {
    "empty file": ("", ["1:1: the file is empty; it starts with `version: 1` and `sources:`"]),
    "only a comment": ("# nothing\n", ["1:1: the file is empty; it starts with `version: 1` and `sources:`"]),
    "a list": ("- a\n", ["1:1: the file must be a mapping, not a list"]),
    "a text": ("hello\n", ["1:1: the file must be a mapping, not 'hello'"]),
    "open bracket": (
        "a: [1,\n",
        ["2:1: not YAML: did not find expected node content while parsing a flow node"],
    ),
    "tab": ("sources:\n\t- id: a\n", ["2:1: not YAML: a tab cannot indent YAML; use spaces"]),
    "control character": ("name: a\x01b\n", ["1:8: the character U+0001 is not allowed in YAML"]),
    "two documents": (
        "name: a\n---\nname: b\n",
        ["2:1: not YAML: a second document (---) starts here; a file holds one"],
    ),
    "alias of nothing": ("name: *x\n", ["1:7: not YAML: found undefined alias"]),
    "anchor in itself": ("sources: &a [*a]\n", ["1:10: an anchor cannot contain itself"]),
    "tag": ("name: !!python/name:x y\n", ["1:7: name: the tag !!python/name:x is not supported; remove it"]),
    "key that is no text": ("? [a]\n: b\n", ["1:3: a key must be a text"]),
    "merge key without mapping": ("<<: 3\n", ["1:5: << takes a mapping, or a list of mappings"]),
    "duplicate key": (
        "name: a\napi: {}\nname: b\n",
        ["3:1: duplicate key 'name'; it was given at monitoring.yaml:1:1 already"],
    ),
    "unknown key": (
        "sorces: []\n",
        [f"1:1: sorces: unknown key 'sorces'; did you mean 'sources'?; allowed: {HEAD_KEYS}"],
    ),
    "version": ("version: 2\n", ["1:10: version: version 2 is not supported; allowed: 1"]),
    "sources as mapping": ("sources: {a: 1}\n", ["1:10: sources: sources must be a list, not a mapping"]),
    "source as text": ("sources: [a]\n", ["1:11: sources[0]: a source is a mapping that begins with `id:`"]),
    "no id": ("sources:\n  - name: x\n", ["2:5: sources[0]: 'id' is required and missing"]),
    "id with a space": (
        'sources: [{id: "a b"}]\n',
        ["1:16: sources[0].id: 'a b' should be letters, digits, _, . and -, beginning with a letter or digit"],
    ),
    "enum": (
        "sources: [{id: a, criticality: hgih}]\n",
        [
            ("1:32: sources[0].criticality: 'hgih' is not allowed; did you mean 'high'?; "
            "allowed: critical, high, low, medium")
        ],
    ),
    "wide buckets go before narrow ones": (
        "retention:\n  rollups: {day: 90d}\n",
        [
            ("2:12: retention.rollups: `day` (90d) must be at least as long as `hour` (400d): totals are read from the "
            "widest buckets that fit")
        ],
    ),
    "list wanted": ("sources: [{id: a, tags: prod}]\n", ["1:25: sources[0].tags: 'prod' should be a list"]),
    "kind": (
        "sources:\n  - id: a\n    checks:\n      - kind: htpp\n",
        [f"4:15: sources[0].checks[0].kind: 'htpp' is not a check kind; did you mean 'http'?; known kinds: {KINDS}"],
    ),
    "no kind": (
        "sources: [{id: a, checks: [{port: 1}]}]\n",
        [f"1:28: sources[0].checks[0]: 'kind' is required and missing; known kinds: {KINDS}"],
    ),
    "change of nothing": (
        "sources: [{id: a, checks: [{id: q}]}]\n",
        [
            ("1:28: sources[0].checks[0]: 'kind' is required and missing; "
            f"no template has a check 'q' to change; known kinds: {KINDS}")
        ],
    ),
    "field of a check": (
        "sources: [{id: a, checks: [{kind: tcp, host: b, port: http, interval: 5 minutes}]}]\n",
        [
            "1:55: sources[0].checks[0].port: 'http' should be a valid integer, unable to parse string as an integer",
            ("1:71: sources[0].checks[0].interval: '5 minutes': a duration is a number and a unit "
            "(us, ms, s, m, h, d, w), like 30s, 5m, 1h30m or 2d"),
        ],
    ),
    "missing field of a check": (
        "sources:\n  - id: a\n    checks:\n      - kind: tcp\n        port: 1\n",
        ["4:9: sources[0].checks[0]: 'host' is required and missing"],
    ),
    "range": ("api: {port: 99999}\n", ["1:13: api.port: 99999 should be less than or equal to 65535"]),
    "several fields at once": (
        "sources: [{id: a, checks: [{kind: tcp, host: b, port: 1, interval: 400d}]}]\n",
        ["1:28: sources[0].checks[0]: interval must lie between 1s and 366d"],
    ),
    "condition": (
        ("sources:\n  - id: a\n    checks:\n      - kind: tcp\n        host: b\n        port: 1\n"
        "        conditions:\n          - response_time_ms < 3\n          - response_time_ms = 3\n"
        "          - {critical: a <, warnin: b}\n"),
        [
            "9:30: sources[0].checks[0].conditions[1]: equality is written == at column 18 of 'response_time_ms = 3'",
            ("10:27: sources[0].checks[0].conditions[2].critical: "
            "expected a value or a name here, but the condition ends at column 4 of 'a <'"),
            ("10:29: sources[0].checks[0].conditions[2].warnin: unknown key 'warnin'; did you mean 'warning'?; "
            "allowed: critical, warning"),
        ],
    ),
    "cron and time zone": (
        'sources: [{id: a, checks: [{kind: tcp, host: b, port: 1, cron: "* *", timezone: Europe/Berlim}]}]\n',
        [
            ("1:64: sources[0].checks[0].cron: '* *' is not a cron expression: Wrong number of fields; "
            "it has five fields: minute hour day month weekday, like 0 6 * * 1-5"),
            ("1:81: sources[0].checks[0].timezone: 'Europe/Berlim' is not a time zone; did you mean 'Europe/Berlin'?; "
            "allowed are names like Europe/Berlin"),
        ],
    ),
    "union": (
        "execution: {networks: {allow: [10.0.0.0/99]}}\n",
        [
            ("1:32: execution.networks.allow[0]: '10.0.0.0/99': "
            "Input is not a valid IPv4 network or Input is not a valid IPv6 network")
        ],
    ),
    "unquoted placeholder": (
        "sources: [{id: a, checks: [{kind: tcp, host: {host}, port: 1}]}]\n",
        ["1:46: sources[0].checks[0].host: a mapping should be a text; a placeholder needs quotes: \"{host}\""],
    ),
    "same source twice": (
        "sources:\n  - id: a\n  - id: a\n",
        ["3:9: sources[1].id: the source 'a' exists already at monitoring.yaml:2:9; ids are unique over all files"],
    ),
    "same check twice": (
        "sources: [{id: a, checks: [{kind: tcp, id: x, host: b, port: 1}, {kind: tcp, id: x, host: b, port: 1}]}]\n",
        ["1:82: sources[0].checks[1].id: the check 'x' exists already at monitoring.yaml:1:44; give it another id"],
    ),
    "lineage": (
        "sources:\n  - {id: orders}\n  - {id: b, depends_on: [ordres]}\n",
        ["3:26: sources[1].depends_on[0]: 'ordres' is not a source; did you mean 'orders'?"],
    ),
    "lineage in a circle": (
        "sources:\n  - {id: a, depends_on: [b]}\n  - {id: b, depends_on: [c]}\n  - {id: c, depends_on: [a]}\n",
        ["2:26: sources[0].depends_on[0]: sources depend on each other in a circle: a -> b -> c -> a"],
    ),
    "prerequisites": (
        ("sources:\n  - id: a\n    checks:\n"
        "      - {kind: tcp, id: ping, host: b, port: 1, depends_on: [pong, b/x]}\n"),
        [
            "4:62: sources[0].checks[0].depends_on[0]: 'pong' is not a check of 'a'; did you mean 'ping'?; it has ping",
            ("4:68: sources[0].checks[0].depends_on[1]: 'b/x' is not a check; "
            "a check of another source is written source/check"),
        ],
    ),
    "prerequisites in a circle": (
        ("sources:\n  - id: a\n    checks:\n"
        "      - {kind: tcp, id: x, host: b, port: 1, depends_on: [y]}\n"
        "      - {kind: tcp, id: y, host: b, port: 1, depends_on: [a/x]}\n"),
        ["4:59: sources[0].checks[0].depends_on[0]: checks depend on each other in a circle: a/x -> a/y -> a/x"],
    ),
    "members of a composite": (
        ("sources:\n  - id: a\n    checks:\n      - {kind: tcp, id: x, host: b, port: 1}\n"
        "      - {kind: composite, of: [x, a/x, nobody]}\n"),
        [
            "5:32: sources[0].checks[1].of[0]: 'x' is neither a check (source/check) nor a source; did you mean 'a/x'?",
            "5:40: sources[0].checks[1].of[2]: 'nobody' is neither a check (source/check) nor a source",
        ],
    ),
    "composite of itself": (
        "sources:\n  - id: a\n    checks: [{kind: composite, of: [a]}]\n",
        ["3:37: sources[0].checks[0].of[0]: checks depend on each other in a circle: a -> a/composite -> a"],
    ),
    "defaults": (
        "defaults:\n  check: {intervall: 5s}\n  kinds: {htp: {}, tcp: {prot: 1}}\n  source: {id: a}\n",
        None,
    ),
    "template": (
        "templates: {web: {}, x: 3}\nsources: [{id: a, use: wbe}]\n",
        [
            "1:25: templates.x: a template must be a mapping, not 3",
            "2:24: sources[0].use: 'wbe' is not a template; did you mean 'web'?; known templates: web",
        ],
    ),
    "component": (
        "components: {web: {aggregation: wurst}, x: 4}\n",
        [
            "1:33: components.web.aggregation: 'wurst' is not allowed; did you mean 'worst'?; allowed: weighted, worst",
            "1:44: components.x: a component must be a mapping, not 4",
        ],
    ),
    "rows": (
        "sources:\n  - {for_each: 3, id: x}\n  - {for_each: {cvs: a}, id: x}\n  - {for_each: {csv: none.csv}, id: x}\n",
        [
            "2:16: sources[0].for_each: for_each must be a list, not 3",
            "3:16: sources[1].for_each: for_each takes a list of rows, or {csv: FILE}",
            "3:17: sources[1].for_each.cvs: unknown key 'cvs'; did you mean 'csv'?; allowed: csv",
            "4:22: sources[2].for_each.csv: there is no file 'none.csv'",
        ],
    ),
    "variable": (
        "name: ${HSOT} ${lower-case} ${\n",
        [("1:7: name: the environment variable HSOT is not set; did you mean 'HOST'?; "
         "set it, or give a default as ${HSOT:-default}")],
    ),
    "interpolation": (
        "name: ${a-b}\napi: {host: '${'}\nstores: {directory: '${file:nope}'}\n",
        [
            ("1:7: name: ${a-b} is not understood; "
            "allowed are ${VAR}, ${VAR:-default} and ${file:path}, and $${ for a literal ${"),
            ("2:13: api.host: this ${ has no closing brace; "
            "allowed are ${VAR}, ${VAR:-default} and ${file:path}, and $${ for a literal ${"),
            "3:21: stores.directory: ${file:nope}: there is no file 'nope'",
        ],
    ),
    "levels of collectors that better": (
        ("sources: [{id: a}]\n"
        "collectors:\n"
        "  load:\n"
        "    source: a\n"
        "    thresholds:\n"
        "      failure_rate: {warning: 50, critical: 10}\n"
        "      quality: {warning: 80, critical: 90}\n"),
        [
            "6:21: collectors.load.thresholds.failure_rate: `warning` must not lie above `critical`",
            "7:16: collectors.load.thresholds.quality: `warning` must not lie below `critical`",
        ],
    ),
    "missing include": ("include: [none.yaml, none*.yaml]\n", ["1:11: include[0]: there is no file 'none.yaml'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, (_, lines) in BAD.items() if lines is not None])
def test_says_what_is_wrong_and_where(name: str, problems: Problems) -> None:
    text, lines = BAD[name]
    assert problems(text, environ={"HOST": "x"}) == [f"monitoring.yaml:{line}" for line in lines or ()]


def test_keys_of_defaults_are_checked_even_when_nothing_uses_them(problems: Problems) -> None:
    found = problems(BAD["defaults"][0])
    assert [line.split("; allowed")[0].split("; known")[0] for line in found] == [
        "monitoring.yaml:2:11: defaults.check.intervall: unknown key 'intervall'; did you mean 'interval'?",
        "monitoring.yaml:3:11: defaults.kinds.htp: 'htp' is not a check kind; did you mean 'http'?",
        "monitoring.yaml:3:26: defaults.kinds.tcp.prot: unknown key 'prot'; did you mean 'port'?",
        "monitoring.yaml:4:12: defaults.source.id: unknown key 'id'",
    ]


def test_a_value_of_a_template_is_reported_once_at_the_template(problems: Problems) -> None:
    text = """\
        templates:
          web:
            checks:
              - {kind: tcp, host: "{host}", port: eighty}
        sources:
          - for_each: [{id: a, host: x}, {id: b, host: y}]
            id: "{id}"
            use: web
        """
    assert problems(text) == [
        (
            "monitoring.yaml:4:43: templates.web.checks[0].port: "
            "'eighty' should be a valid integer, unable to parse string as an integer"
        )
    ]


def test_a_value_of_a_row_names_both_places(problems: Problems) -> None:
    text = """\
        sources:
          - for_each: [{id: a, port: 80}, {id: b, port: no-number}]
            id: "{id}"
            checks: [{kind: tcp, host: x, port: "{port}"}]
        """
    assert problems(text) == [
        (
            "monitoring.yaml:4:41: sources[0].checks[0].port: 'no-number' should be a valid integer, "
            "unable to parse string as an integer (its value is given at monitoring.yaml:2:49)"
        )
    ]


def test_problems_of_all_files_come_together(problems: Problems) -> None:
    files = {
        "sources/b.yaml": "sources: [{id: b, tgas: []}]\n",
        "sources/a.yaml": "stores: {}\nsources: [{id: '-', tags: 1}]\n",
    }
    found = problems("include: [sources/*.yaml]\nname: {}\n", files)
    assert [line.split(";")[0] for line in found] == [
        "monitoring.yaml:2:7: name: a mapping should be a text",
        "sources/a.yaml:1:1: stores: 'stores' belongs into the main file",
        f"sources/a.yaml:2:16: sources[0].id: '-' should be {SLUG}",
        "sources/a.yaml:2:27: sources[0].tags: 1 should be a list",
        "sources/b.yaml:1:19: sources[0].tgas: unknown key 'tgas'",
    ]


def test_includes_in_a_circle(problems: Problems) -> None:
    files = {"a.yaml": "include: [b.yaml]\n", "b.yaml": "include: [a.yaml]\n"}
    assert problems("include: [a.yaml]\n", files) == [
        "b.yaml:1:11: include[0]: 'a.yaml' includes a file that includes this one: a.yaml -> b.yaml -> a.yaml"
    ]


def test_files_that_are_no_text(problems: Problems, load: Load) -> None:
    assert problems(b"name: ok\nnote: caf\xe9\n") == [
        "monitoring.yaml:2:10: the file is not UTF-8 text; save it as UTF-8"
    ]
    assert load(b"\xef\xbb\xbfname: with a mark\n").name == "with a mark"
    assert problems("include: [folder/x.yaml]\n", {"folder/x.yaml": "- 1\n"}) == [
        "folder/x.yaml:1:1: the file must be a mapping, not a list"
    ]


def test_a_file_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^absent\.yaml:1:1: there is no such file$"):
        load_config(Path("absent.yaml"))


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "- " * 50_000 + "x", "[" * 3000 + "]" * 3000, "{a: " * 70])
def test_deep_nesting_is_refused(text: str, problems: Problems) -> None:
    (line,) = problems(text)
    assert "nested too deeply" in line or "not YAML" in line


def test_anchors_cannot_multiply_without_end(problems: Problems) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (line,) = problems("\n".join(levels))
    assert "too large: more than 2000000 values after anchors are followed" in line


def test_a_row_of_a_csv_file_that_is_too_short(problems: Problems) -> None:
    text = "sources: [{for_each: {csv: hosts.csv}, id: '{id}'}]\n"
    assert problems(text, {"hosts.csv": "id,host\na,x\nb\n"}) == ["hosts.csv:3:1: the row has 1 cells, the header 2"]

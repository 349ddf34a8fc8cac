"""What came out of the environment or a file is in no message, and in no dump."""

from __future__ import annotations

import pytest

from monitoring_pipeline.config import dump_config
from monitoring_pipeline.errors import ConfigError
from tests.config.conftest import Load

SECRET = "tr0ub4dor-and-3"
CHECK = "sources: [{{id: a, checks: [{{kind: tcp, host: x, port: 1, {}}}]}}]\n"
WRONG = [
    "version: ${S}\n",
    "api: {port: ${S}}\n",
    "api: {dagster_url: 'x${S}'}\n",
    "stores: ${S}\n",
    'stores: {operational: ["${S}"]}\n',
    "retention: {hot: ${S}}\n",
    "execution: {networks: {deny: [${S}]}, breaker: {enabled: ${S}}}\n",
    "include: [${S}.yaml]\nsources: {a: ${S}}\n",
    "components: {web: {aggregation: ${S}}, x: ${S}}\n",
    "defaults: {check: ${S}, kinds: {tcp: {port: ${S}}}}\n" + CHECK.format("x: 1"),
    "sources: [{id: '${S} x'}]\n",
    "sources: [{id: a, criticality: ${S}, use: ${S}, depends_on: [${S}], for_each: ${S}}]\n",
    "sources: [{id: a, for_each: {csv: ${S}}}]\n",
    "sources: [{id: a, criticality: ${S}, tags: ${S}, enabled: ${S}}]\n",
    "sources: [{id: a, checks: [{kind: ${S}}, ${S}]}]\n",
    "sources: [{id: a, checks: [{kind: tcp, host: x, port: ${S}}]}]\n",
    "sources: [{id: a, with: {p: ${S}}, checks: [{kind: tcp, host: x, port: '{p}', interval: 'a{p}'}]}]\n",
    "sources: [{id: a, checks: [{kind: http, url: 'ftp://u:${S}@x'}, {kind: sql, url: '${S}', query: 1}]}]\n",
    "sources: [{id: a, checks: [{kind: http, url: 'https://x', auth: {password: [\"${S}\"], user: ${S}}}]}]\n",
    "sources: [{id: a, checks: [{kind: composite, of: [${S}], require: ${S}}]}]\n",
    "sources: [{id: ${S}}, {id: ${S}}]\n",
    *(
        CHECK.format(wrong)
        for wrong in (
            "interval: ${S}",
            "type: ${S}",
            "cron: ${S}",
            "timezone: ${S}",
            "conditions: ['status < < ${S}']",
            "conditions: ['status ${S}']",
            "thresholds: {a: {operator: ${S}}}",
            "depends_on: [${S}]",
            "retries: ${S}",
            "id: 'x ${S}'",
            "interval: 900d, host: ${S}",
        )
    ),
]


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("spelling", ["${S}", "${file:secret.txt}"])
def test_no_error_shows_a_value_that_was_filled_in(text: str, spelling: str, load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text.replace("${S}", spelling), {"secret.txt": SECRET + "\n"}, {"S": SECRET})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


FULL = """\
name: Secrets
stores: {operational: "postgresql://busta:${DB}@db.example.com/busta"}
sources:
  - id: a
    checks:
      - {kind: http, url: https://example.com, headers: {Authorization: "Bearer ${TOKEN}", Accept: text/plain}}
      - {kind: sql, url: "postgresql://u:p%40ssword@db.example.com/x", id: db}
      - {kind: tcp, host: "${file:host.txt}", port: 1}
"""


def test_secrets_are_gathered_covered_and_left_out_of_dumps(load: Load) -> None:
    config = load(FULL, {"host.txt": "db-from-file\n"}, {"DB": "first-secret", "TOKEN": "second-secret"})
    assert {"first-secret", "second-secret", "p%40ssword", "p@ssword", "db-from-file"} <= config.secrets
    assert config.redact("asked db-from-file with second-secret") == "asked *** with ***"
    assert config.stores.operational is not None
    assert config.stores.operational.get_secret_value() == "postgresql://busta:first-secret@db.example.com/busta"
    assert config.redact("asked example.com with Accept: text/plain") == "asked example.com with Accept: text/plain"
    dumped = dump_config(config)
    for secret in config.secrets:
        assert secret not in dumped
        assert secret not in repr(config)
    assert "operational: '**********'" in dumped


def test_short_values_are_not_covered_inside_texts(load: Load) -> None:
    config = load("sources: [{id: a, checks: [{kind: tcp, host: '${file:h}', port: 1}]}]\n", {"h": "ab\n"})
    assert config.redact("about") == "about"

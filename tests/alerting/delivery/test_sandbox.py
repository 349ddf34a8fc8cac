"""Templates of the user's own: what they can do, what they are refused, and that none runs away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.alerting.delivery.sandbox import TemplateFailed, check, render

VALUES = {
    "name": "orders",
    "n": 3,
    "nothing": None,
    "html": "<b>&</b>",
    "at": datetime(2026, 3, 1, 12, 5, tzinfo=UTC),
    "lasted": timedelta(minutes=65),
    "alerts": [
        {"source": "a", "severity": "critical", "value": 1.25, "labels": {"team": "x", "tier": "1"}},
        {"source": "b", "severity": "warning", "value": None, "labels": {}},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ name|upper }} {{ n + 1 }} {{ 2 ** 10 }} {{ 7 % 4 }} {{ n * 2.5 }}", "ORDERS 4 1024 3 7.5"),
        ("[{{ nothing }}]", "[]"),
        ("{{ at }}; {{ at|moment('Asia/Tokyo') }}", "2026-03-01 12:05 UTC; 2026-03-01 12:05 UTC (21:05 Asia/Tokyo)"),
        ("{{ at.strftime('%H:%M') }} {{ at.isoformat() }} {{ lasted }}", "12:05 2026-03-01T12:05:00+00:00 1 h 5 min"),
        ("{% for a in alerts %}{{ loop.index }}{{ a.source }}{{ ';' if not loop.last }}{% endfor %}", "1a;2b"),
        ("{% for a in alerts %}{{ loop.length }}{{ loop.revindex }}{% endfor %}", "2221"),
        ("{% for a in alerts if a.value %}{{ a.source }}{% else %}none{% endfor %}", "a"),
        ("{{ alerts|map(attribute='source')|join(', ') }}", "a, b"),
        ("{{ alerts|join('+', attribute='source') }}", "a+b"),
        ("{{ alerts|selectattr('value')|list|length }} {{ alerts|length }}", "1 2"),
        ("{% for s, each in alerts|groupby('severity') %}{{ s }}{{ each|length }} {% endfor %}", "critical1 warning1 "),
        ("{% for k, v in alerts[0].labels.items() %}{{ k }}:{{ v }} {% endfor %}", "team:x tier:1 "),
        ("{{ alerts[1].labels.team|default('nobody') }} {{ alerts[1].labels.get('team', '-') }}", "nobody -"),
        ("{{ '%.1f'|format(alerts[0].value) }} {{ '%03d' % n }} {{ '%s-%s' % (name, n) }}", "1.2 003 orders-3"),
        ("{{ name ~ n ~ nothing }} {{ 'a' + 'b' }} {{ ([1] + [2])|length }}", "orders3 ab 2"),
        ("{{ name|replace('o', '0') }} {{ name|truncate(5, true, '', 0) }}", "0rders order"),
        ("{{ 3.14159|round(2) }} {{ [1, 2, 3]|sum }} {{ [alerts[0]]|sum(attribute='value') }}", "3.14 6 1.25"),
        ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
        ("{{ alerts[1]|tojson }}", '{"labels": {}, "severity": "warning", "source": "b", "value": null}'),
        ("{% macro m(x, y=2) %}[{{ x }}{{ y }}]{% endmacro %}{{ m(1) }}{{ m(3, y=name) }}", "[12][3orders]"),
        ("{% macro m() %}<{{ caller(5) }}>{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}", "<5>"),
        ("{% set ns = namespace(t=0) %}{% for i in range(5) %}{% set ns.t = ns.t + i %}{% endfor %}{{ ns.t }}", "10"),
        ("{% set j = joiner('|') %}{% for a in alerts %}{{ j() }}{{ a.source }}{% endfor %}", "a|b"),
        ("{% set c = cycler('x', 'y') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", "xyx"),
        ("{% set t %}in {{ name }}{% endset %}{{ t|upper }}{% with q = 1 %}{{ q }}{% endwith %}", "IN ORDERS1"),
        ("{% filter upper %}{{ name }}{% endfilter %}{# nothing #}{% raw %}{{ x }}{% endraw %}", "ORDERS{{ x }}"),
        ("{{ name is defined }} {{ nope is defined }} {{ nope|default('d') }} {{ n is odd }}", "True False d True"),
        ("{% block a %}{{ name }}{% endblock %}", "orders"),
        ("{% if n > 2 %}\nmany\n{% endif %}\nend\n", "many\nend\n"),
    ],
)  # fmt: skip
def test_does_what_a_text_needs(template: str, text: str) -> None:
    assert render(template, VALUES) == text


@pytest.mark.parametrize(
    "template",
    ["{{ html }}", "{{ '' ~ html }}", "{{ [html]|join }}", "{{ '%s' % html }}", "{{ html|replace('x', 'y') }}"],
)
def test_html_escapes_values(template: str) -> None:
    assert render(template, VALUES, html=True) == "&lt;b&gt;&amp;&lt;/b&gt;"
    assert render(template, VALUES) == "<b>&</b>"


def test_html_keeps_what_is_said_to_be_safe() -> None:
    assert render("<i>{{ html|safe }}{{ html|e }}</i>", VALUES, html=True) == "<i><b>&</b>&lt;b&gt;&amp;&lt;/b&gt;</i>"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ ''.__class__ }}", "'__class__'"),
        ("{{ ''['__class__'] }}", "'__class__'"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "'__class__'"),
        ("{{ name|attr('__class__') }}", "No filter named 'attr'"),
        ("{{ [name]|map(attribute='__class__')|first }}", "'__class__'"),
        ("{{ cycler.__init__.__globals__ }}", "'__init__'"),
        ("{{ self.__init__ }}", "'__init__'"),
        ("{{ self._TemplateReference__context }}", "_TemplateReference__context"),
        ("{{ range.__globals__ }}", "'__globals__'"),
        ("{% macro m() %}{% endmacro %}{{ m.__globals__ }}", "'__globals__'"),
        ("{{ name.format }}", "'format'"),
        ("{{ '{0.__class__}'.format(name) }}", "'format'"),
        ("{{ name.encode() }}", "'encode'"),
        ("{{ at.astimezone }}", "'astimezone'"),
        ("{{ alerts[0].update({'a': 1}) }}", "'update'"),
        ("{{ alerts[0].clear() }}", "'clear'"),
        ("{{ [1].append(2) }}", "'append'"),
        ("{{ lipsum(5) }}", "'lipsum' is undefined"),
        ("{{ config }}", "'config' is undefined"),
        ("{% include 'x' %}", "cannot use other templates"),
        ("{% extends 'x' %}", "cannot use other templates"),
        ("{% import 'x' as x %}", "cannot use other templates"),
        ("{% from 'x' import y %}", "cannot use other templates"),
    ],
)
def test_reaches_nothing_but_its_values(template: str, reason: str) -> None:
    with pytest.raises(TemplateFailed) as failed:
        render(template, VALUES)
    assert reason in str(failed.value)


def nested(parts: str, inner: str = "") -> str:
    return "".join(f"{{% for {name} in range(1000) %}}" for name in parts) + inner + "{% endfor %}" * len(parts)


CALLING = (
    "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    "{% macro o(n) %}{% if n %}{% call m() %}{{ o(n - 1) }}{% endcall %}{% endif %}{% endmacro %}{{ o(60) }}"
)
GROWING = "{%% set ns = namespace(x=%s) %%}{%% for i in range(90) %%}{%% set ns.x = %s %%}{%% endfor %%}{{ ns.x }}"


@pytest.mark.parametrize(
    "template",
    [
        nested("abc"),
        nested("abcdefgh", "{{ a }}"),
        "{% for a in range(1000) if nope is defined %}{% endfor %}" * 80,
        "{% for a in range(100000000) %}{% endfor %}",
        "{{ range(10 ** 12)|list }}",
        "{% for a in alerts recursive %}{{ loop(alerts) }}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        CALLING,
        "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
        "{{ 'x' * 1000000000 }}",
        "{{ 1000000000 * 'x' }}",
        "{{ [1] * 1000000000 }}",
        "{{ (1, 2) * 1000000000 }}",
        "{{ 9 ** 99 ** 9 }}",
        "{{ 9 ** 99999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '%.1000000000f' % 1 }}",
        "{{ '%(a)1000000000d' % {'a': 1} }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.replace('', 'y') }}",
        "{{ 'x'|indent(1000000000, true) }}",
        "{{ alerts|tojson(indent=1000000000) }}",
        "{{ 1.5|round(1000000000, 'ceil') }}",
        "{{ at.strftime('%1000000000d') }}",
        "{{ [[1], [2]]|sum(start=[]) }}",
        "{{ 'ab'|batch(1000000000, 'x')|list }}",
        GROWING % ("'x'", "ns.x ~ ns.x"),
        GROWING % ("'x'", "ns.x + ns.x"),
        GROWING % ("'x'", "[ns.x, ns.x]|join"),
        GROWING % ("'x'", "'%s%s' % (ns.x, ns.x)"),
        GROWING % ("'x'", "'%s%s'|format(ns.x, ns.x)"),
        GROWING % ("'x'", "ns.x|replace('x', 'xxxxxxxxxx')"),
        GROWING % ("'x'", "ns.x|replace('', 'yyyyyyyyyy')"),
        GROWING % ("[1]", "[ns.x, ns.x]"),
        GROWING % ("[1]", "ns.x + ns.x"),
        GROWING % ("[1]", "{'a': ns.x, 'b': ns.x}"),
        GROWING % ("[1]", "[ns.x, ns.x]|list|tojson"),
        GROWING % ("3", "ns.x * ns.x"),
        "{% macro m(l, n) %}{% if n %}{{ m([l, l], n - 1) }}{% else %}{{ l }}{% endif %}{% endmacro %}{{ m([1], 60) }}",
        "{% for a in range(900) %}" + "x" * 60_000 + "{% endfor %}",
        "{% set s %}" + "y" * 60_000 + "{% endset %}{% for i in range(900) %}{{ s }}{% endfor %}",
        "{% macro m() %}" + "y" * 60_000 + "{% endmacro %}{% for i in range(900) %}{% set q = m() %}{% endfor %}",
        "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
        "{{ " + "[" * 3_000 + "]" * 3_000 + " }}",
        "{% if 1 %}" * 3_000 + "{% endif %}" * 3_000,
        "x" * 70_000,
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_does_not_run_away(template: str) -> None:
    with pytest.raises(TemplateFailed) as failed:
        render(template, VALUES)
    assert failed.value.permanent
    assert len(str(failed.value)) < 500


@pytest.mark.parametrize(
    ("template", "line", "reason"),
    [
        ("a\nb\n{{ 1 / 0 }}\n", 3, "division by zero"),
        ("a\n\n{% for x in alerts %}\n{{ x.nope }}\n{% endfor %}", 4, "has no attribute 'nope'"),
        ("{{ missing }}", 1, "'missing' is undefined"),
        ("a\n{% if %}", 2, "Expected an expression"),
        ("a\n{{ name|nope }}", 2, "No filter named 'nope'"),
        ("{{ n + name }}", 1, "unsupported operand"),
    ],
)
def test_says_where_it_fails(template: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateFailed) as failed:
        render(template, VALUES, name="subject")
    assert isinstance(failed.value, Undelivered)
    assert failed.value.line == line
    assert reason in str(failed.value)
    assert str(failed.value).startswith(f"the template 'subject' cannot be rendered, line {line}: ")


def test_every_rendering_has_a_budget_of_its_own() -> None:
    template = "{% for a in range(999) %}{% for b in range(20) %}.{% endfor %}{% endfor %}"
    assert [len(render(template, VALUES)) for _ in range(5)] == [19980] * 5


def test_a_long_text_is_cut_off() -> None:
    with pytest.raises(TemplateFailed, match="longer than 50 characters"):
        render("{{ name }}" * 10, VALUES, limit=50)


def test_what_is_given_may_be_large() -> None:
    rows = [{"source": f"source-{n}", "text": "x" * 500, "affects": ("a", "b") * 10} for n in range(50)]
    assert (
        len(
            render("{% for r in rows %}{{ r.source }}: {{ r.text }} {{ r.affects|join }}\n{% endfor %}", {"rows": rows})
        )
        > 25_000
    )
    assert len(render("{{ rows|tojson }}", {"rows": rows})) > 25_000


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a\n{{ mesage.title }}", r"line 2: 'mesage' is not known here; known: message, name$"),
        ("{% if %}", r"line 1: Expected an expression"),
        ("\n\n{{ name|nope }}", r"line 3: No filter named 'nope'"),
        ("{% include 'x' %}", r"line 1: a template cannot use other templates"),
        ("{{ name", r"line 1: unexpected end of template"),
        ("x" * 70_000, r"line 1: a template has at most 65,536 characters"),
    ],
)
def test_checks_a_template_before_it_is_used(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check(template, {"message", "name"})


@pytest.mark.parametrize(
    "template",
    [
        "plain",
        "{{ name }}{% for x in message %}{{ loop.index }}{{ x }}{% endfor %}{% set y = 1 %}{{ y }}",
        "{% macro m(a) %}{{ a }}{{ varargs }}{{ caller() }}{% endmacro %}{{ m(name) }}",
        "{% set ns = namespace(x=1) %}{{ ns.x }}{{ range(3)|list }}{{ dict(a=1) }}",
        "{% block b %}{{ name }}{% endblock %}{{ self.b() }}",
    ],
)
def test_accepts_good_templates(template: str) -> None:
    check(template, {"message", "name"})


PIECES = """
{{ name }} ; {{ ; }} ; {% for a in alerts %} ; {% endfor %} ; {{ a.b| ; join }} ; {% set x = [x, x] %} ; {{ x ~ x }}
; {% macro m() %} ; {% endmacro %} ; {{ m() }} ; {% if n %} ; {% endif %} ; text ; {{ ''.__class__ }} ; {{ a.value }}
"""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES.split(" ; ")), max_size=12).map("".join))
def test_whatever_is_written_gives_a_text_or_a_sentence(template: str) -> None:
    try:
        assert isinstance(render(template, VALUES), str)
    except TemplateFailed as failed:
        assert failed.permanent
        assert "cannot be rendered" in str(failed)

"""The words of messages: what each kind says, on which lines, within which limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, Undelivered
from monitoring_pipeline.alerting.delivery.moments import lasting, moment
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import NOW

TEST = message(Kind.TEST, title="Test message to mail: nothing is wrong", severity=Severity.INFO, url="").model_copy(
    update={"alerts": ()}
)


def test_a_firing_alert_says_everything_that_helps() -> None:
    assert wording.text(message()) == (
        "[CRITICAL] Orders API: response_time_ms (812) > 300\n"
        "\n"
        "Orders API (orders-api)\n"
        "Since: 2026-03-01 11:58 UTC, for 2 min\n"
        "Normal: 80 to 140 ms\n"
        "Check: http\n"
        "Affects: revenue, stock\n"
        "Last change: version 2.4 at 11:50\n"
        "Component: shop\n"
        "Owner: data-platform\n"
        "About: Customers wait.\n"
        "Acknowledge: https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1\n"
        "Alert: https://monitoring.example.com/alerts/7\n"
        "Runbook: https://example.com/runbooks/orders\n"
        "\n"
        "Sent by shop-eu.\n"
    )


def test_a_resolved_alert_says_how_long_it_lasted_and_no_more() -> None:
    assert wording.text(message(Kind.RESOLVED)) == (
        "[RESOLVED] Orders API: response_time_ms (812) > 300\n"
        "It is over; it lasted 2 min.\n"
        "\n"
        "Orders API (orders-api)\n"
        "Severity: critical\n"
        "Lasted: 2 min, 2026-03-01 11:58 UTC to 2026-03-01 12:00 UTC\n"
        "Check: http\n"
        "Component: shop\n"
        "Owner: data-platform\n"
        "Alert: https://monitoring.example.com/alerts/7\n"
        "\n"
        "Sent by shop-eu.\n"
    )


@pytest.mark.parametrize(
    ("told", "title", "lead"),
    [
        (message(), "[CRITICAL] Orders API: response_time_ms (812) > 300", ""),
        (message(severity=Severity.WARNING), "[WARNING] Orders API: response_time_ms (812) > 300", ""),
        (message(Kind.FIRING, alert(), over(8), title="a"), "[CRITICAL] a", "1 alert fires, 1 resolved."),
        (message(Kind.FIRING, *many(3), title="a", more=2), "[CRITICAL] a", "5 alerts fire."),
        (message(Kind.RESOLVED, over(), over(8), title="a"), "[RESOLVED] a", "All 2 alerts are resolved."),
        (
            message(Kind.ACKNOWLEDGED, alert(acknowledged_by="ada", state=AlertState.ACKNOWLEDGED), title="a"),
            "[CRITICAL] Acknowledged: a", "ada works on it.",
        ),
        (
            message(Kind.ACKNOWLEDGED, alert(acknowledged_by="bob"), alert(8, acknowledged_by="ada"), title="a"),
            "[CRITICAL] Acknowledged: a", "ada, bob work on it.",
        ),
        (message(Kind.ACKNOWLEDGED, title="a"), "[CRITICAL] Acknowledged: a", "Somebody works on it."),
        (
            message(Kind.REMINDER, title="a", at=NOW + timedelta(hours=4)),
            "[CRITICAL] Reminder: a", "Still firing after 4 h 1 min; nobody has acknowledged it.",
        ),
        (
            message(Kind.REMINDER, alert(acknowledged_by="ada"), title="a"),
            "[CRITICAL] Reminder: a", "Still firing after 1 min; acknowledged by ada.",
        ),
        (
            message(Kind.ESCALATION, title="a", level=2, at=NOW + timedelta(minutes=14)),
            "[CRITICAL] Escalation level 2: a", "Escalation level 2: nobody has acknowledged this for 15 min.",
        ),
        (
            message(Kind.DIGEST, *many(3), title="53 more alerts", more=50),
            "[CRITICAL] Digest: 53 more alerts", "53 alerts in one message.",
        ),
        (
            TEST, "[TEST] Test message to mail: nothing is wrong",
            "This is a test: the channel works, and nothing is wrong.",
        ),
    ],
)  # fmt: skip
def test_every_kind_says_why_it_came(told: Message, title: str, lead: str) -> None:
    assert (wording.title(told), wording.lead(told)) == (title, lead)


def test_a_group_tells_each_alert() -> None:
    told = wording.text(message(Kind.FIRING, alert(), over(8, name="Stock", source="stock"), title="2 alerts", more=1))
    assert "2 alerts fire, 1 resolved." in told
    assert "\nWhat: response_time_ms (812) > 300\n" in told
    assert "\nStock (stock) - resolved\n" in told
    assert "1 more alert is not listed. Sent by shop-eu." in told


def test_a_digest_is_a_list() -> None:
    told = wording.text(message(Kind.DIGEST, *many(2), over(3), title="53 alerts", more=50, url=""))
    what, where = "Orders API: response_time_ms (812) > 300", "https://monitoring.example.com/alerts"
    assert [line for line in told.splitlines() if line.startswith("- ")] == [
        f"- [critical] Source 1 (source-1): {what}, since 2026-03-01 11:58 UTC {where}/1",
        f"- [critical] Source 2 (source-2): {what}, since 2026-03-01 11:58 UTC {where}/2",
        f"- [resolved] {what}, lasted 2 min {where}/3",
    ]
    assert "50 more alerts are not listed." in told


def test_it_tells_how_often_flapping_and_the_note() -> None:
    told = wording.text(message(Kind.ESCALATION, alert(count=4, flapping=True), note="Call the\nprovider.", level=3))
    assert "\nOccurred: 4 times, it comes and goes (flapping)\n" in told
    assert "\nCall the provider.\n" in told


def test_it_tells_when_another_severity_than_the_messages_holds() -> None:
    assert ("Severity", "warning") in wording.rows(alert(severity=Severity.WARNING), message())
    assert "Severity" not in dict(wording.rows(alert(), message()))


def test_links_are_those_that_mean_something_now() -> None:
    assert [label for label, _ in wording.links(alert())] == ["Acknowledge", "Alert", "Runbook"]
    assert [label for label, _ in wording.links(alert(state=AlertState.ACKNOWLEDGED))] == ["Alert", "Runbook"]
    assert [label for label, _ in wording.links(over())] == ["Alert"]
    assert wording.links(alert(url="javascript:alert(1)", acknowledge_url="", runbook="see the wiki")) == []
    assert "javascript:" not in wording.markdown(message(Kind.FIRING, alert(runbook="javascript:alert(1)")))


def test_the_readers_zone_stands_beside_utc() -> None:
    assert "Since: 2026-03-01 11:58 UTC (12:58 Europe/Berlin), for 2 min" in wording.text(message(), "Europe/Berlin")
    assert "Since: 2026-03-01 11:58 UTC, for 2 min" in wording.text(message(), "Europe/London")
    assert "Since: 2026-03-01 11:58 UTC, for 2 min" in wording.text(message(), "Mars/Olympus")


@pytest.mark.parametrize(
    ("at", "zone", "told"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Europe/Berlin", "2026-03-29 00:59 UTC (01:59 Europe/Berlin)"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin", "2026-03-29 01:00 UTC (03:00 Europe/Berlin)"),
        (datetime(2026, 3, 1, 23, 30, tzinfo=UTC), "Asia/Tokyo", "2026-03-01 23:30 UTC (2026-03-02 08:30 Asia/Tokyo)"),
        (datetime(2026, 7, 1, 12, 0, tzinfo=UTC), "Europe/London", "2026-07-01 12:00 UTC (13:00 Europe/London)"),
        (datetime(2026, 1, 1, 12, 0, tzinfo=UTC), "Europe/London", "2026-01-01 12:00 UTC"),
    ],
)
def test_moments(at: datetime, zone: str, told: str) -> None:
    assert moment(at, zone) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"), (0.2, "0 s"), (45, "45 s"), (60, "1 min"), (61, "1 min 1 s"), (3_900, "1 h 5 min"),
        (3_605, "1 h"), (90_000, "1 d 1 h"), (86_400 * 400, "400 d"),
    ],
)  # fmt: skip
def test_durations(seconds: float, told: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == told


def test_short_is_what_and_since_and_the_best_link() -> None:
    assert wording.short(message()) == (
        "[CRITICAL] Orders API: response_time_ms (812) > 300. Since 2026-03-01 11:58 UTC."
        " https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1"
    )
    assert wording.short(message(Kind.RESOLVED), 120) == (
        "[RESOLVED] Orders API: response_time_ms (812) > 300. It is over; it lasted 2... "
        "https://monitoring.example.com/alerts/7"
    )
    assert wording.short(TEST) == (
        "[TEST] Test message to mail: nothing is wrong. This is a test: the channel works, and nothing is wrong."
    )


def test_markdown_marks_up_only_what_is_ours() -> None:
    told = wording.markdown(
        message(Kind.FIRING, alert(last_change="*bold* [x](https://evil.example) `c` <b> _i_ a_b|"))
    )
    assert told.startswith("**\\[CRITICAL\\] Orders API: response_time_ms (812) \\> 300**\n")
    assert "\\*bold\\* \\[x\\](https://evil.example) \\`c\\` \\<b\\> \\_i\\_ a_b\\|" in told
    assert "[Acknowledge](https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1)" in told
    assert "- **Normal:** 80 to 140 ms\n" in told


def test_strange_texts_stay_on_their_lines() -> None:
    odd = alert(name=STRANGE, text=STRANGE, summary=STRANGE, last_change="a\r\nb\x1b[31mc\u2028d", owner="\x00")
    told = message(Kind.FIRING, odd, title=f"x\r\nBcc: y {STRANGE}", note="n\no")
    for text in (wording.title(told), wording.short(told), *(line for _, line in wording.rows(odd, told))):
        assert text.isprintable()
    assert ("Last change", "a b [31mc d") in wording.rows(odd, told)
    assert "Owner" not in dict(wording.rows(odd, told))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(Kind), texts=st.text(max_size=3000), count=st.integers(0, 4), limit=st.integers(70, 400),
    more=st.integers(0, 900),
)  # fmt: skip
def test_any_message_has_words_within_their_limits(kind: Kind, texts: str, count: int, limit: int, more: int) -> None:
    each = [alert(n, summary=texts, text=texts, name=texts, url=texts, runbook=texts) for n in range(count)]
    told = message(kind, title=texts, note=texts, url=texts, more=more).model_copy(update={"alerts": tuple(each)})
    assert len(wording.title(told)) <= 200
    assert "\n" not in wording.title(told)
    assert 0 < len(wording.short(told, limit)) <= limit
    assert len(wording.text(told)) < 20_000
    assert len(wording.markdown(told)) < 60_000
    assert wording.colour(told).startswith("#")


def test_huge_texts_are_cut() -> None:
    told = message(Kind.FIRING, *many(50, text="x" * 1_000_000, summary="y" * 1_000_000), title="z" * 1_000_000)
    assert len(wording.text(told)) < 120_000


def test_templates_know_the_message_and_the_default_words() -> None:
    template = "{{ title }}|{{ lead }}|{{ alert.name }}|{{ alerts|length }}|{{ message.severity }}|{{ alert.started }}"
    assert wording.render(template, message()) == (
        "[CRITICAL] Orders API: response_time_ms (812) > 300||Orders API|1|critical|2026-03-01 11:58 UTC"
    )
    assert wording.render("{{ text }}", message()) == wording.text(message())
    assert wording.render("{{ markdown }}{{ short }}", message()) == wording.markdown(message()) + wording.short(
        message()
    )
    assert wording.render("{{ alert is none }}", TEST) == "True"
    assert wording.render("{{ extra }}", message(), values={"extra": 3}) == "3"
    assert wording.render("{{ message.title }}", message(title="<b>"), html=True) == "&lt;b&gt;"
    assert wording.render("{{ alert.labels.tier }}{{ alert.affects|join('+') }}", message()) == "1revenue+stock"


def test_a_template_that_raises_is_undelivered_for_good() -> None:
    with pytest.raises(Undelivered, match=r"the template 'subject' cannot be rendered, line 2: .* 'nope'") as failed:
        wording.render("a\n{{ alert.nope }}", message(), name="subject")
    assert failed.value.permanent


def test_templates_are_checked_where_they_are_configured() -> None:
    wording.check_template("{{ message.title }}{{ alert.name }}{{ extra }}", names={"extra"})
    with pytest.raises(ValueError, match=r"line 1: 'mesage' is not known here; known: alert, alerts, lead"):
        wording.check_template("{{ mesage.title }}")
    with pytest.raises(ValueError, match=r"the template 'text', line 2: unexpected"):
        Channel(kind="x", templates={"text": "a\n{{"})

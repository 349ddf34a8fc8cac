"""The status of a source or of a check."""

from __future__ import annotations

import pytest

from monitoring_pipeline.records import Status
from tests.alerting.rules.conditions.judging import CRITICAL, ERROR, WARNING, World, problems


@pytest.mark.parametrize(
    ("status", "truths"),
    [
        (Status.HEALTHY, {WARNING: False, CRITICAL: False}),
        (Status.WARNING, {WARNING: True, CRITICAL: False}),
        (Status.CRITICAL, {WARNING: True, CRITICAL: True}),
        (Status.UNKNOWN, {WARNING: None, CRITICAL: None}),
    ],
)
def test_each_status_has_its_severity(status: Status, truths: dict[object, object]) -> None:
    assert World().is_(status).see("{kind: status}").truths == truths


def test_severities_can_be_chosen() -> None:
    wanted = "{kind: status, critical: error, warning: null, unknown: warning}"
    assert World().is_(Status.CRITICAL).see(wanted).truths == {WARNING: True, ERROR: True}
    assert World().is_(Status.UNKNOWN).see(wanted).truths == {WARNING: True, ERROR: False}
    assert World().is_(Status.WARNING).see(wanted).truths == {WARNING: False, ERROR: False}


def test_what_was_never_checked_is_unknown_to_the_rule() -> None:
    assert World().see("{kind: status, unknown: warning}").truths == {WARNING: None, CRITICAL: None}


def test_the_reason_is_part_of_the_text() -> None:
    world = World().is_(Status.CRITICAL, "web: status (503) == 200")
    assert world.see("{kind: status}").text == "status is critical: web: status (503) == 200"
    assert World().is_(Status.HEALTHY).see("{kind: status}").text == "status is healthy"


def test_another_place_is_named_in_the_text() -> None:
    world = World().is_(Status.WARNING, source="db", check="disk").is_(Status.CRITICAL, source="db")
    assert world.see("{kind: status, source: db}").text == "db status is critical"
    assert world.see("{kind: status, source: db, check: disk}").text == "db/disk status is warning"
    world = World().is_(Status.WARNING, check="web")
    assert world.see("{kind: status, check: web}").text == "web status is warning"
    assert world.see("{kind: status}", check="web").text == "status is warning"


def test_one_that_can_never_hold_is_refused() -> None:
    assert "so it never holds" in problems("{kind: status, critical: null, warning: null}")

"""`composite` in three-valued logic."""

import itertools

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.composite import CompositeCheck
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.records import Status

OK, WARN, BAD, UNSURE = Status.HEALTHY, Status.WARNING, Status.CRITICAL, Status.UNKNOWN


def composite(of, require="all") -> CompositeCheck:
    return CompositeCheck(kind="composite", of=of, require=require)


async def outcome(context, statuses, require):
    keys = [f"s{number}/c" for number in range(len(statuses))]
    context.facts.statuses.update(zip(keys, statuses, strict=True))
    try:
        await composite(keys, require).probe(context)
    except SourceFailure:
        return False
    except CheckError:
        return None
    return True


@pytest.mark.parametrize(
    ("require", "statuses", "expected"),
    [
        ("all", [OK, WARN], True),
        ("all", [OK, BAD], False),
        ("all", [OK, UNSURE], None),
        ("all", [BAD, UNSURE], False),
        ("any", [BAD, OK], True),
        ("any", [BAD, BAD], False),
        ("any", [BAD, UNSURE], None),
        ("any", [OK, UNSURE], True),
        (2, [OK, OK, BAD], True),
        (2, [OK, BAD, BAD], False),
        (2, [OK, UNSURE, BAD], None),
        (2, [OK, WARN, UNSURE], True),
    ],
)
async def test_requirement(context, require, statuses, expected):
    assert await outcome(context, statuses, require) is expected


async def test_the_answer_is_what_every_resolution_of_the_unknown_agrees_on(context):
    for statuses in itertools.product([OK, BAD, UNSURE], repeat=3):
        for needed in (1, 2, 3):
            worlds = itertools.product(*([[OK, BAD] if s is UNSURE else [s] for s in statuses]))
            agreed = {world.count(OK) >= needed for world in worlds}
            expected = agreed.pop() if len(agreed) == 1 else None
            assert await outcome(context, statuses, needed) is expected, (statuses, needed)


async def test_values_and_messages_name_the_members(context):
    context.facts.statuses.update({"a": OK, "b/x": WARN, "c": BAD})
    probe = await composite(["a", "b/x", "c"], 2).probe(context)
    assert probe.values == {
        "healthy": 1, "warning": 1, "critical": 1, "unknown": 0, "up": 2, "total": 3,
    }  # fmt: skip
    with pytest.raises(SourceFailure, match=r"3 of 3 must be up, 2 are; critical: c$") as caught:
        await composite(["a", "b/x", "c"]).probe(context)
    assert caught.value.values["critical"] == 1
    with pytest.raises(CheckError, match=r"undecided: 2 of 2 must be up, 1 is; unknown: d"):
        await composite(["a", "d"]).probe(context)


@pytest.mark.parametrize(
    ("of", "require", "message"),
    [
        ([], "all", "at least 1"),
        (["a", "a"], "all", "named twice in `of`: a"),
        (["a"], 2, "from 1 to 1"),
        (["a"], 0, "from 1 to 1"),
        (["a"], "most", "'all' or 'any'"),
    ],
)
def test_nonsense_is_refused(of, require, message):
    with pytest.raises(ValidationError, match=message):
        composite(of, require)

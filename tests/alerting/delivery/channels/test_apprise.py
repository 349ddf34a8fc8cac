"""The apprise channel: what a service behind Apprise receives, and what its failures say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.apprise import AppriseChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, message
from tests.alerting.delivery.channels.receiver import Receiver, sending
from tests.servers import free_port

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it
SECRET = "s3cr3t-path"


async def post(url: str, told: Message | None = None, **fields: Any) -> Sent:
    async with sending() as context:
        return await AppriseChannel(kind="apprise", url=url, **fields).send(told or message(), context)


async def arrived(told: Message | None = None, **fields: Any) -> Any:
    async with Receiver() as receiver:
        await post(f"{receiver.url.replace('http', 'json')}/{SECRET}", told, **fields)
    assert len(receiver.requests) == 1
    return receiver.requests[0].json()


async def test_a_service_gets_title_and_markdown() -> None:
    got = await arrived()
    assert got["title"] == "[CRITICAL] Orders API: response_time_ms (812) > 300"
    assert got["type"] == "failure"
    assert "- **Normal:** 80 to 140 ms" in got["message"]
    assert "[Runbook](https://example.com/runbooks/orders)" in got["message"]
    assert not got["message"].startswith("**\\[CRITICAL")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (message(Kind.RESOLVED), "success"),
        (message(severity=Severity.WARNING), "warning"),
        (message(severity=Severity.INFO), "info"),
        (message(severity=Severity.ERROR), "failure"),
    ],
)
async def test_the_type_follows_the_severity(told: Message, kind: str) -> None:
    assert (await arrived(told))["type"] == kind


async def test_words_of_the_users_own() -> None:
    got = await arrived(templates={"title": "{{ alert.source }}", "body": "*{{ message.severity }}*"})
    assert (got["title"], got["message"]) == ("orders-api", "*critical*")


async def test_strange_texts_arrive() -> None:
    assert (await arrived(message(Kind.FIRING, alert(last_change=STRANGE), title=STRANGE)))["title"].startswith(
        "[CRITICAL]"
    )


@pytest.mark.parametrize("code", [403, 429, 500])
async def test_what_is_refused_is_tried_again_and_no_secret_is_told(code: int) -> None:
    async with Receiver() as receiver:
        receiver.answer(code, {"error": "no"})
        with pytest.raises(Undelivered, match=f"Apprise could not send: .*{code}") as failed:
            await post(f"{receiver.url.replace('http', 'json')}/{SECRET}")
    assert not failed.value.permanent
    assert SECRET not in str(failed.value)


async def test_two_at_once_are_told_their_own_reasons() -> None:
    async with Receiver() as one, Receiver() as two:
        one.answer(403)
        two.answer(500)
        urls = [receiver.url.replace("http", "json") for receiver in (one, two)]
        failed = await asyncio.gather(*(post(url) for url in urls), return_exceptions=True)
    assert ["403" in str(failed[0]), "500" in str(failed[1])] == [True, True]
    assert ["500" in str(failed[0]), "403" in str(failed[1])] == [False, False]


async def test_a_service_that_is_not_there_is_tried_again() -> None:
    with pytest.raises(Undelivered, match="Apprise could not send") as failed:
        await post(f"json://user:{SECRET}@127.0.0.1:{free_port()}/{SECRET}")
    assert not failed.value.permanent
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("url", ["nonsense://x", "tgram://only-a-token", "slack://"])
async def test_an_address_that_apprise_does_not_know_is_a_clear_error(url: str) -> None:
    with pytest.raises((Undelivered, ValidationError)) as failed:
        await post(url + SECRET)
    assert isinstance(failed.value, Undelivered)
    assert "Apprise does not understand the address" in str(failed.value)
    assert failed.value.permanent


@pytest.mark.parametrize("url", ["", "not a url", "json://a json://b"])
def test_says_what_is_wrong_with_its_configuration(url: str) -> None:
    with pytest.raises(ValidationError) as failed:
        AppriseChannel(kind="apprise", url=url)
    assert "an Apprise address is needed" in failed.value.errors()[0]["msg"]


def test_without_the_extra_it_says_what_to_install() -> None:
    code = """
import asyncio, sys
sys.modules["apprise"] = None
from monitoring_pipeline.alerting.delivery.channels.apprise import AppriseChannel
from tests.alerting.delivery.channels.messages import message
from tests.alerting.delivery.channels.receiver import sending
async def main():
    async with sending() as context:
        await AppriseChannel(kind="apprise", url="json://example.com").send(message(), context)
try:
    asyncio.run(main())
except Exception as error:
    print(type(error).__name__, error.permanent, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "Undelivered True the channel needs Apprise: pip install 'monitoring-pipeline[apprise]'"
    )


def test_apprise_is_not_loaded_before_it_is_used() -> None:
    code = (
        "import sys; from monitoring_pipeline.alerting.delivery.channel import channel_kinds; channel_kinds();"
        "print([m for m in ('apprise', 'aiosmtplib', 'matplotlib', 'requests') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

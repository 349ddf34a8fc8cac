"""Requests of channels: what is sent, what each answer means, and what no error may tell."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import Any

import pytest
import trustme

from monitoring_pipeline.alerting.delivery.channel import SendContext, Undelivered
from monitoring_pipeline.alerting.delivery.posting import as_json, post
from monitoring_pipeline.alerting.delivery.session import open_session
from monitoring_pipeline.reach.spec import NetworksSpec
from tests.alerting.delivery.channels.receiver import NOW, Receiver, sending


async def refused(receiver: Receiver, path: str = "/hook", **how: Any) -> Undelivered:
    async with sending(seconds=how.pop("seconds", 10.0)) as context:
        with pytest.raises(Undelivered) as caught:
            await post(context, f"{receiver.url}{path}", what="Chat", **{"json": {}, **how})
    return caught.value


async def test_json_arrives_whole_whatever_is_in_it():
    async with Receiver() as receiver, sending() as context:
        receiver.answer(202, {"status": "ok"}, {"X-Request-Id": "r1"})
        sent = {"number": float("nan"), "half": "a\udc80b", "text": "gr\u00fcn", "list": (1, float("-inf"))}
        answer = await post(context, f"{receiver.url}/a%2Fb?x=%20", json=sent, what="Chat")
    (request,) = receiver.requests
    assert request.json() == {"number": None, "half": "a?b", "text": "gr\u00fcn", "list": [1, None]}
    assert (request.method, request.path) == ("POST", "/a%2Fb?x=%20")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "monitoring-pipeline"
    assert (answer.code, answer.json(), answer.headers["x-request-id"]) == (202, {"status": "ok"}, "r1")


async def test_a_form_with_credentials_arrives_as_one():
    async with Receiver() as receiver, sending() as context:
        form = {"To": "+49 30", "Body": "gr\u00fcn & \udc80"}
        await post(context, receiver.url, data=form, auth=("m\u00fcller", "p:w"), what="SMS")
    (request,) = receiver.requests
    assert request.form() == {"To": "+49 30", "Body": "gr\u00fcn & ?"}
    assert request.headers["authorization"] == "Basic bcO8bGxlcjpwOnc="
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")


async def test_own_headers_win_and_bytes_stay_as_they_are():
    async with Receiver() as receiver, sending() as context:
        headers = {"content-type": "text/plain", "USER-AGENT": "me"}
        await post(context, receiver.url, body=b"\x00\xff", headers=headers, method="PUT", what="Chat")
    (request,) = receiver.requests
    assert (request.method, request.body) == ("PUT", b"\x00\xff")
    assert (request.headers["content-type"], request.headers["user-agent"]) == ("text/plain", "me")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 413, 422, 451])
async def test_the_other_side_will_never_take_it(code: int):
    async with Receiver() as receiver:
        receiver.answer(code, "no")
        error = await refused(receiver)
    assert (error.permanent, error.retry_after, error.code) == (True, None, code)
    assert str(error) == f"Chat answered {code}: no"


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_another_try_may_help(code: int):
    async with Receiver() as receiver:
        receiver.answer(code, "later", {"Retry-After": "7"})
        error = await refused(receiver)
    assert (error.permanent, error.retry_after, error.code) == (False, 7.0, code)


async def test_codes_that_are_fine_here_are_answers():
    async with Receiver() as receiver, sending() as context:
        receiver.answer(404, "unknown")
        answer = await post(context, receiver.url, json={}, what="Chat", accept=(404,))
    assert (answer.code, answer.text, answer.json()) == (404, "unknown", None)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        ("86400", 3600.0),
        ("99999999999", 3600.0),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2126 12:00:00 GMT", 3600.0),
        ("Sun, 99 Mar 2026 12:00:00 GMT", None),
    ],
)
async def test_retry_after(asked: str, seconds: float | None):
    async with Receiver() as receiver:
        receiver.answer(503, "", {"Retry-After": asked, "Date": "nonsense"})
        assert (await refused(receiver)).retry_after == seconds


async def test_a_date_to_retry_at_is_one_of_the_providers_clock():
    async with Receiver() as receiver:
        dates = {"Retry-After": "Sun, 01 Mar 2026 09:00:20 GMT", "Date": "Sun, 01 Mar 2026 09:00:00 GMT"}
        receiver.answer(429, "", dates)
        assert (await refused(receiver)).retry_after == 20.0


async def test_a_redirect_is_not_followed():
    async with Receiver() as receiver:
        receiver.answer(307, "", {"Location": f"{receiver.url}/elsewhere"})
        error = await refused(receiver)
    assert error.permanent
    assert error.code == 307
    assert "redirect" in str(error)
    assert "elsewhere" not in str(error)
    assert len(receiver.requests) == 1


async def test_of_a_long_answer_little_is_read_and_less_is_told():
    async with Receiver() as receiver, sending() as context:
        receiver.answer(200, b"x" * 10_000_000)
        assert len((await post(context, receiver.url, json={}, what="Chat")).text) == 65_536
        receiver.answer(400, "a\x00b\n\n" + "c" * 1000)
        error = await refused(receiver)
    assert str(error) == "Chat answered 400: a b " + "c" * 193 + "..."


async def test_an_answer_that_breaks_off_has_been_given_all_the_same():
    async with Receiver() as receiver, sending() as context:
        receiver.answer(200, "part", cut=True)
        assert (await post(context, receiver.url, json={}, what="Chat")).text == "part"


async def test_no_answer_is_worth_another_try():
    async with Receiver() as receiver:
        receiver.answer(drop=True)
        dropped = await refused(receiver)
        receiver.answer(hang=True)
        late = await refused(receiver, seconds=0.2)
    nobody = await refused(receiver)
    assert [error.permanent for error in (dropped, late, nobody)] == [False] * 3
    place = receiver.url.removeprefix("http://")
    assert str(dropped) == f"Chat cannot be reached at {place}: Server disconnected"
    assert str(late) == f"Chat did not answer in time ({place})"
    assert str(nobody) == f"Chat cannot be reached at {place}: Connection refused"


async def test_a_name_that_does_not_exist_may_exist_later():
    async with sending() as context:
        with pytest.raises(Undelivered, match=r"^Chat: the name nobody\.invalid cannot be looked up$") as caught:
            await post(context, "http://nobody.invalid/s3cr3t", json={}, what="Chat")
    assert not caught.value.permanent


@pytest.mark.parametrize("url", ["nowhere", "http://", "http://[::1/s3cr3t", "ftp://example.com/s3cr3t", ""])
async def test_what_is_no_address_is_hopeless(url: str):
    async with sending() as context:
        with pytest.raises(Undelivered) as caught:
            await post(context, url, json={}, what="Chat")
    assert caught.value.permanent
    assert "s3cr3t" not in str(caught.value)


async def test_a_certificate_nobody_vouches_for_is_hopeless():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    async with Receiver(tls=tls) as receiver:
        error = await refused(receiver)
    assert error.permanent
    assert "certificate of localhost:" in str(error)
    assert receiver.requests == []


async def test_a_forbidden_network_is_hopeless_whatever_the_name():
    async with Receiver() as receiver:
        for url in (receiver.url, receiver.url.replace("127.0.0.1", "localhost")):
            async with open_session(NetworksSpec(deny=["127.0.0.0/8", "::1/128"]), 5.0) as session:
                with pytest.raises(Undelivered, match=r"Chat may not be reached: .* forbids") as caught:
                    await post(SendContext(NOW, session), url, json={}, what="Chat")
            assert caught.value.permanent
    assert receiver.requests == []


async def test_errors_tell_no_secret_that_the_provider_repeats():
    secrets = ["T0KEN-path", "query+secret", "user-name", "p4ssword", "h3ader", "b0dy-secret"]
    told = "path T0KEN-path, query query+secret query%2Bsecret, h3ader, Bearer h3ader, user-name:p4ssword b0dy-secret"
    async with Receiver() as receiver, sending() as context:
        for code in (403, 503):
            receiver.answer(code, told)
            with pytest.raises(Undelivered) as caught:
                await post(
                    context,
                    f"{receiver.url}/services/T0KEN-path?key=query%2Bsecret",
                    json={},
                    headers={"Authorization": "Bearer h3ader"},
                    auth=("user-name", "p4ssword"),
                    secrets=("b0dy-secret",),
                    what="Chat",
                )
            assert not [secret for secret in secrets if secret in str(caught.value)]
            assert "***" in str(caught.value)


async def test_a_path_that_is_no_secret_may_be_told():
    async with Receiver() as receiver:
        receiver.answer(404, "there is no /v2/alerts")
        error = await refused(receiver, "/v2/alerts", url_is_secret=False)
    assert str(error) == "Chat answered 404: there is no /v2/alerts"


async def test_a_header_that_cannot_be_sent_is_hopeless_and_not_told():
    async with Receiver() as receiver:
        error = await refused(receiver, headers={"X-Key": "s3cr3t\r\nX: y"})
    assert error.permanent
    assert "s3cr3t" not in str(error)
    assert receiver.requests == []


def test_json_of_times_is_the_channels_business():
    with pytest.raises(TypeError):
        as_json({"at": NOW, "for": timedelta(1)})

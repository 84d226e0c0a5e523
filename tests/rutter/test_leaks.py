"""Nothing that a failing call leaves behind holds a token, a header, a URL or a word of the upstream's."""

from __future__ import annotations

import base64
import logging
import traceback

import pytest

from rutter_ap_server.rutter import Credentials, Limits, Rejected, RutterClient, Secret, equal, errors
from rutter_ap_server.rutter.models.bills import BillUpdate
from support.raw_server import HANG, http, raw_server
from support.scripted_upstream import CLIENT_ID, FakeTime

TOKEN = "canary-token-1111"
SECRET = "canary-secret-2222"
BODY = "canary-body-3333"
HEADER = "canary-header-4444"
FILTER = "canary-filter-5555"
MEMO = "canary-memo-6666"
# What the caller passed may stand in a variable; a secret or what came back may not.
SECRET_EVERYWHERE = (TOKEN, SECRET, BODY, HEADER)
BASIC = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
TELLTALES = [TOKEN, SECRET, BODY, HEADER, FILTER, MEMO, BASIC, "127.0.0.1", "http://", "/versioned"]

ERROR_BODY = b'{"error_type":"%s","error_code":"CANARY-BODY-3333","error_message":"%s"}' % ((BODY.encode(),) * 2)
NOISY = [
    b"location: https://elsewhere.test/?access_token=" + TOKEN.encode(),
    b"set-cookie: session=" + HEADER.encode(),
    b"x-rutter-request-id: " + HEADER.encode() + b" <script>",
    b"x-rutter-job-id: " + HEADER.encode() + b" <script>",
    b"www-authenticate: " + HEADER.encode(),
]
FAILURES = {
    "unauthorized": http("401 Unauthorized " + HEADER, ERROR_BODY, *NOISY),
    "rejected": http("450 " + HEADER, ERROR_BODY, *NOISY),
    "limited": http("429 Too Many", ERROR_BODY, *NOISY),
    "server error": http("500 Oops", ERROR_BODY, *NOISY),
    "redirect": http("307 Temporary", ERROR_BODY, *NOISY),
    "malformed": http("200 OK", b'{"bill": {"id": "' + BODY.encode(), *NOISY),
    "wrong types": http("200 OK", b'{"bill": {"id": 1, "amount_due": "%s"}}' % BODY.encode(), *NOISY),
    "web page": http("200 OK", b"<html>" + BODY.encode(), b"content-type: text/html", *NOISY),
    "too large": http("200 OK", BODY.encode() * 1000, *NOISY),
    "cut off": http("200 OK", BODY.encode(), *NOISY, length=999),
    "not http": b"\x16\x03" + BODY.encode() + b"\r\n\r\n",
    "bad gzip": http("200 OK", BODY.encode(), b"content-encoding: gzip", *NOISY),
    "silence": HANG,
}


def left_behind(error: BaseException) -> list[str]:
    """Everything an exception can tell, down its whole chain; its untrusted detail is the one place that may."""
    told: list[str] = []
    one: BaseException | None = error
    while one is not None:
        told += [repr(one), str(one), repr(one.args), *getattr(one, "__notes__", [])]
        told += [repr(value) for name, value in vars(one).items() if name not in {"untrusted_detail", "rutter_code"}]
        one = one.__cause__ or one.__context__
    return told + traceback.format_exception(error)


def variables_of(error: BaseException) -> list[str]:
    """The variables of our own frames, as some error reporters send them along."""
    detailed = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in detailed.stack if "/rutter_ap_server/" in frame.filename]
    return [f"{name}={value}" for frame in frames for name, value in (frame.locals or {}).items()]


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES.keys())
async def test_a_failing_call_leaves_nothing_behind(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    limits = Limits(read_seconds=0.05, attempts_max=2, write_attempts_max=2, body_bytes_max=5000)
    told: list[str] = []
    held: list[str] = []
    async with raw_server(answer) as server:
        client = RutterClient(
            Credentials(CLIENT_ID, SECRET), base_url=server.base_url, limits=limits, sleep=FakeTime().sleep
        )
        async with client:
            company = client.connection(TOKEN)
            for call in (
                company.bills.get("b-1"),
                company.bills.list(filter=equal("document_number", FILTER), cursor=FILTER),
                company.rotate_token(),
                client.connections.list(),
                client.exchange_public_token(Secret(TOKEN)),
            ):
                with pytest.raises(errors.RutterError) as caught:
                    await call
                told += left_behind(caught.value)
                held += [text for text in variables_of(caught.value) if any(each in text for each in SECRET_EVERYWHERE)]
                assert caught.value.__cause__ is None
                assert caught.value.__context__ is None
            outcome = await company.bills.update("b-1", BillUpdate(memo=MEMO), idempotency_key="k")
            told += [repr(outcome), *(left_behind(outcome.error) if isinstance(outcome, Rejected) else [])]
            told += [repr(client), repr(company), repr(client.connections), repr(company.bills)]
    assert server.lines
    assert held == []
    told += [record.getMessage() + str(vars(record)) for record in caplog.records if record.name != "asyncio"]
    found = {(each, text) for each in TELLTALES for text in told if each.lower() in text.lower()}
    assert found == set()


async def test_nothing_listening_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with raw_server(HANG) as server:
        pass
    async with RutterClient(Credentials(CLIENT_ID, SECRET), base_url=server.base_url, sleep=FakeTime().sleep) as client:
        with pytest.raises(errors.UpstreamUnavailable) as caught:
            await client.connection(TOKEN).bills.get("b-1")
    told = left_behind(caught.value) + [record.getMessage() for record in caplog.records]
    assert {(each, text) for each in TELLTALES for text in told if each.lower() in text.lower()} == set()
    assert caught.value.__context__ is None


def test_secrets_do_not_show_themselves() -> None:
    credentials = Credentials(CLIENT_ID, SECRET)
    shown = [repr(credentials), str(credentials), f"{credentials.client_secret}", f"{credentials.client_secret!r}"]
    assert not any(SECRET in text for text in shown)
    assert credentials.client_secret.reveal() == SECRET

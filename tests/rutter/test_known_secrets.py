"""A secret that an upstream quotes is taken out, however it is spelled; nothing else is touched."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.rutter import Rejected, errors
from rutter_ap_server.rutter.known_secrets import KnownSecrets
from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.secret import MASK
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, CONNECTION, TOKEN, Scripted, answer, bill, client_for

UUID = "4d8a3c52-91b7-4e0a-8f36-d2c07b5e19aa"
SLASHED = "secret/with+signs=77e0"


def in_every_way(secret: str) -> dict[str, str]:
    """The spellings in which an upstream may quote it."""
    raw = secret.encode()
    return {
        "plain": secret,
        "upper case": secret.upper(),
        "in a URL": f"https://rutter.test/bills?access_token={quote(secret, safe='')}&limit=5",
        "wholly escaped for a URL": "".join(f"%{byte:02X}" for byte in raw),
        "as JSON in JSON": json.dumps({"request": {"token": secret}}),
        "escaped in JSON in JSON": "".join(f"\\u{byte:04x}" for byte in raw),
        "broken by blanks": " ".join(secret),
        "broken by lines": f"{secret[:9]}\n{secret[9:]}",
        "broken by what is invisible": "\u200b".join([secret[:7], secret[7:]]),
        "in quotes": f"'{secret}'",
        "twice": f"{secret} {secret}",
        **{f"base64 after {n}": base64.b64encode(b"x" * n + raw + b"y" * 4).decode() for n in range(4)},
        "base64 for URLs": base64.urlsafe_b64encode(b"id:" + raw).decode(),
    }


SPELLINGS = [(secret, text) for secret in (UUID, SLASHED) for text in in_every_way(secret).values()]
NAMES = [f"{which}-{name}" for which in ("uuid", "slashed") for name in in_every_way(UUID)]


def letters(text: str) -> str:
    """What is left of a text when all that could hide something in it is gone."""
    return "".join(character for character in text.casefold() if character.isalnum() and character.isascii())


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(("secret", "text"), SPELLINGS, ids=NAMES)
def test_a_quoted_secret_is_masked_and_the_json_holds(secret: str, text: str, ascii_only: bool) -> None:
    body = json.dumps({"memo": f"before {text} after", "amount": 9.34}, ensure_ascii=ascii_only).encode()
    read = json.loads(KnownSecrets(secret).without(body))
    assert read["amount"] == 9.34
    assert MASK in read["memo"]
    assert read["memo"].startswith("before ")
    assert read["memo"].endswith(" after")
    assert letters(text) not in letters(read["memo"])
    assert letters(secret) not in letters(read["memo"])


def test_escapes_of_the_json_itself_hide_nothing() -> None:
    body = ('{"memo": "' + "".join(f"\\u{ord(character):04X}" for character in UUID) + '"}').encode()
    assert json.loads(KnownSecrets(UUID).without(body)) == {"memo": MASK}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_all_other_text_is_left_as_it_is(body: dict[str, object]) -> None:
    raw = json.dumps(body).encode()
    assert KnownSecrets(UUID, SLASHED).without(raw) == raw


def test_letters_spread_over_two_texts_are_no_secret() -> None:
    raw = json.dumps([UUID[:20], UUID[20:]]).encode()
    assert KnownSecrets(UUID).without(raw) == raw


def test_an_ordinary_word_as_secret_spoils_no_books() -> None:
    assert KnownSecrets("secret", "").without(b'{"memo": "top secret"}') == b'{"memo": "top secret"}'


def test_text_of_a_file_is_masked_too() -> None:
    assert KnownSecrets(UUID).text(f"Invoice for {UUID}, half a \ud800") == f"Invoice for {MASK}, half a \ud800"


def _quoting(make: Callable[[str], str] = str) -> str:
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    return make(f"GET /bills?access_token={TOKEN} (Basic {basic}) {CLIENT_SECRET}")


def _is_clean(text: str) -> bool:
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    return not any(letters(secret) in letters(text) for secret in (TOKEN, CLIENT_SECRET, basic))


@pytest.mark.parametrize("make", [str, str.upper], ids=["as it is", "upper case"])
async def test_an_error_sentence_comes_without_the_secrets(make: Callable[[str], str]) -> None:
    body = {"error_type": "X", "error_code": "Y", "error_message": _quoting(make)}
    async with client_for(Scripted(answer(450, body, x_rutter_request_id=TOKEN))) as client:
        with pytest.raises(errors.PlatformRejected) as caught:
            await client.connection(TOKEN).bills.get("b-1")
    told = f"{caught.value} {vars(caught.value)}"
    assert caught.value.untrusted_detail is not None
    assert MASK in caught.value.untrusted_detail
    assert _is_clean(told)


async def test_a_failed_job_and_a_record_come_without_the_secrets() -> None:
    failed = {"http_status": 450, "body": {"error_message": _quoting()}}
    job = {"id": "j-1", "status": "failure", "request": {"url": _quoting()}, "response": failed}
    pending = {"async_response": {"id": "j-1", "status": "pending"}}
    script = Scripted(answer(200, pending), answer(200, job), answer(200, {"bill": bill(memo=_quoting())}))
    async with client_for(script) as client:
        books = client.connection(TOKEN)
        outcome = await books.bills.update("b-1", BillUpdate(memo="x"), idempotency_key="k")
        assert isinstance(outcome, Rejected)
        assert MASK in (outcome.error.untrusted_detail or "")
        read = await books.bills.get("b-1")
    assert MASK in (read.memo or "")
    assert _is_clean(f"{vars(outcome.error)} {read.memo} {(read.raw or b'').decode()}")


async def test_a_token_that_is_handed_over_arrives_whole() -> None:
    entry = {**CONNECTION, "access_token": TOKEN, "name": f"shop {TOKEN}"}
    async with client_for(Scripted(answer(200, {"connections": [entry]}))) as client:
        client.connection(TOKEN)
        [found] = await client.connections.list()
    assert found.access_token.reveal() == TOKEN
    assert found.name == f"shop {MASK}"

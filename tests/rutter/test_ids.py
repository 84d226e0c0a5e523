"""Whatever is passed as an id, the URL that leaves the process names one object of the collection that was meant."""

from __future__ import annotations

import pytest

from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_ap_tools.errors import BadInput
from support.raw_server import http, raw_server
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, TOKEN, FakeTime, Scripted, client_for

HOSTILE = [
    ("a/b", "a%2Fb"),
    ("../vendors", "..%2Fvendors"),
    ("..%2fvendors", "..%252fvendors"),
    ("%2e%2e", "%252e%252e"),
    ("%2e%2e/", "%252e%252e%2F"),
    ("...", "..."),
    ("a?limit=1", "a%3Flimit%3D1"),
    ("a&access_token=x", "a%26access_token%3Dx"),
    ("a#b", "a%23b"),
    ("a;b", "a%3Bb"),
    ("a\\..\\b", "a%5C..%5Cb"),
    ("https://elsewhere.test/", "https%3A%2F%2Felsewhere.test%2F"),
    ("//elsewhere.test", "%2F%2Felsewhere.test"),
    ("@elsewhere.test", "%40elsewhere.test"),
    ("a b", "a%20b"),
    ("a+b", "a%2Bb"),
    ("Müller", "M%C3%BCller"),
    ("漢字", "%E6%BC%A2%E5%AD%97"),
    ("a/../../jobs/1", "a%2F..%2F..%2Fjobs%2F1"),
    ("'; drop table bills --", "%27%3B%20drop%20table%20bills%20--"),
    ("{}", "%7B%7D"),
    ("%", "%25"),
]


@pytest.mark.parametrize(("hostile", "sent"), HOSTILE)
async def test_a_hostile_id_stays_one_segment_of_the_path(hostile: str, sent: str) -> None:
    async with (
        raw_server(http("410 Gone")) as server,
        RutterClient(Credentials(CLIENT_ID, CLIENT_SECRET), base_url=server.base_url, sleep=FakeTime().sleep) as client,
    ):
        company = client.connection(TOKEN)
        await company.bills.delete(hostile)
        for call in (
            company.bills.get(hostile),
            company.attachments.list(hostile),
            client.job(hostile),
            client.connections.delete(hostile),
        ):
            with pytest.raises(Exception, match="no record with that id"):
                await call
        with pytest.raises(Exception, match="no record with that id"):
            async with company.attachments.download(hostile, hostile):
                pass
    prefix = "/versioned/accounting/bills"
    assert [line.decode("ascii") for line in server.lines] == [
        f"DELETE {prefix}/{sent}?access_token={TOKEN} HTTP/1.1",
        f"GET {prefix}/{sent}?access_token={TOKEN} HTTP/1.1",
        f"GET {prefix}/{sent}/attachments?access_token={TOKEN} HTTP/1.1",
        f"GET /versioned/jobs/{sent} HTTP/1.1",
        f"DELETE /versioned/connections/{sent} HTTP/1.1",
        f"GET {prefix}/{sent}/attachments/{sent}/file?access_token={TOKEN} HTTP/1.1",
    ]


@pytest.mark.parametrize(
    "refused", ["", " ", "\t", ".", "..", "a\nb", "a\r\nHost: x", "\x00", "a\x7f", "a\u202eb", "\ud800", "x" * 301]
)
async def test_an_id_that_could_point_elsewhere_is_never_sent(refused: str) -> None:
    script = Scripted()
    async with client_for(script) as client:
        company = client.connection(TOKEN)
        for call in (company.bills.get(refused), company.bills.delete(refused), client.job(refused)):
            with pytest.raises(BadInput):
                await call
    assert script.requests == []


async def test_a_token_of_odd_characters_stays_one_value() -> None:
    odd = "a&limit=1#x/é"
    async with (
        raw_server(http("410 Gone")) as server,
        RutterClient(Credentials(CLIENT_ID, CLIENT_SECRET), base_url=server.base_url) as client,
    ):
        with pytest.raises(Exception, match="no record with that id"):
            await client.connection(odd).bills.get("b", force_fetch=True)
    assert server.lines == [
        b"GET /versioned/accounting/bills/b?force_fetch=true&access_token=a%26limit%3D1%23x%2F%C3%A9 HTTP/1.1"
    ]


async def test_a_filter_is_percent_encoded_as_a_whole() -> None:
    async with (
        raw_server(http("404 Not Found")) as server,
        RutterClient(Credentials(CLIENT_ID, CLIENT_SECRET), base_url=server.base_url) as client,
    ):
        with pytest.raises(Exception, match="does not support"):
            await client.connection(TOKEN).bills.list(filter='memo="a&b" AND memo~"50% + é"')
    assert server.lines == [
        b"GET /versioned/accounting/bills?filter=memo%3D%22a%26b%22%20AND%20memo~%2250%25%20%2B%20%C3%A9%22"
        b"&access_token=" + TOKEN.encode() + b" HTTP/1.1"
    ]

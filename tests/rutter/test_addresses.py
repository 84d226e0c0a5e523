"""The way to Rutter: the proxy of the environment, the authorities that are believed, and what cannot be right."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rutter_ap_server.rutter import CompanyClient, Credentials, Limits, RutterClient, Secret, errors
from rutter_ap_server.rutter.addresses import checked_proxy, proxy_from_environment
from support.raw_server import http, raw_server
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, TOKEN, Scripted, answer, client_for
from support.scripted_writes import NEW_BILL

REMOTE = "https://production.rutterapi.com/versioned"
ONCE = Limits(attempts_max=1, write_attempts_max=1)


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def client_at(base_url: str, *, ca_file: Path | None = None) -> RutterClient:
    return RutterClient(Credentials(CLIENT_ID, CLIENT_SECRET), base_url=base_url, limits=ONCE, ca_file=ca_file)


@pytest.mark.parametrize(
    ("environment", "base_url", "found"),
    [
        ({}, REMOTE, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, REMOTE, "http://proxy.test:3128"),
        ({"https_proxy": "http://proxy.test:3128"}, REMOTE, "http://proxy.test:3128"),
        ({"HTTPS_PROXY": "proxy.test:3128"}, REMOTE, "http://proxy.test:3128"),
        ({"ALL_PROXY": "http://proxy.test:3128"}, REMOTE, "http://proxy.test:3128"),
        ({"HTTP_PROXY": "http://proxy.test:3128"}, REMOTE, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "rutterapi.com"}, REMOTE, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "*"}, REMOTE, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "rutterapi.com:443"}, REMOTE, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "rutterapi.com:80"}, REMOTE, "http://proxy.test:3128"),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "example.com"}, REMOTE, "http://proxy.test:3128"),
        ({"ALL_PROXY": "http://proxy.test:3128"}, "http://127.0.0.1:8000/versioned", None),
        ({"ALL_PROXY": "http://proxy.test:3128"}, "http://[::1]:8000/versioned", None),
        ({"ALL_PROXY": "http://proxy.test:3128"}, "https://localhost/versioned", None),
    ],
)
def test_the_environment_names_the_proxy(
    environment: dict[str, str], base_url: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_from_environment(base_url)
    assert (None if proxy is None else str(proxy.url)) == found


async def test_requests_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(http("403 Forbidden")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with client_at(REMOTE) as client:
            with pytest.raises(errors.UpstreamUnavailable):
                await client.connection(TOKEN).bills.list()
    assert proxy.lines == [b"CONNECT production.rutterapi.com:443 HTTP/1.1"]


BAD_PROXIES = [
    "socks5://user:pass-77@proxy.test",
    "http://",
    "http://user:pass-77@proxy.test:99999",
    "ftp://x",
    "a b",
    "http://[bad",
    "http://a'b",
]


@pytest.mark.parametrize("proxy", BAD_PROXIES)
async def test_a_proxy_that_cannot_be_used_is_named_and_not_shown(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.Misconfigured) as failure:
        RutterClient(Credentials(CLIENT_ID, CLIENT_SECRET), proxy=proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    async with client_at(REMOTE) as client:
        with pytest.raises(errors.Misconfigured) as read:
            await client.connection(TOKEN).bills.list()
        with pytest.raises(errors.NothingSent) as written:
            await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="k")
    for error in (failure.value, read.value, written.value):
        assert "The proxy is not an http(s) address" in error.message
        assert "HTTPS_PROXY" in error.next_step
        assert "pass-77" not in f"{error!r} {error} {error.next_step} {error.__cause__} {error.__context__}"


async def test_a_proxy_that_refuses_the_way_means_that_nothing_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(http("407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass-77@127.0.0.1:{proxy.port}")
        async with client_at(REMOTE) as client:
            with pytest.raises(errors.UpstreamUnavailable, match="The proxy refused"):
                await client.connection(TOKEN).bills.list()
            with pytest.raises(errors.NothingSent, match="The proxy refused"):
                await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="k")


def test_no_proxy_reads_what_is_sent_in_the_clear() -> None:
    with pytest.raises(errors.Misconfigured, match="https"):
        RutterClient(
            Credentials(CLIENT_ID, CLIENT_SECRET),
            base_url="http://127.0.0.1:8000/versioned",
            proxy="http://proxy.test:3128",
        )


def test_a_proxys_password_is_in_no_repr() -> None:
    assert "pass-77" not in repr(checked_proxy("http://user:pass-77@proxy.test:3128"))


def authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate authority of our own, and the server's side of TLS with a certificate of it."""
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        built = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("Company authority"))
        built = built.public_key(key.public_key()).serial_number(x509.random_serial_number())
        day = datetime.timedelta(days=1)
        return built.not_valid_before(now - day).not_valid_after(now + day)

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    is_authority = x509.BasicConstraints(ca=True, path_length=None)
    root = certificate("Company authority", root_key).add_extension(is_authority, critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = certificate("127.0.0.1", key).add_extension(names, critical=False).sign(root_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    root_file, leaf_file, key_file = folder / "root.pem", folder / "leaf.pem", folder / "key.pem"
    root_file.write_bytes(root.sign(root_key, hashes.SHA256()).public_bytes(pem))
    leaf_file.write_bytes(leaf.public_bytes(pem))
    plain = serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf_file, key_file)
    return root_file, context


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """An upstream behind TLS, which answers everything with an empty list of connections."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http("200 OK", b'{"connections": []}'))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/versioned"
    finally:
        listening.close()
        await listening.wait_closed()


async def test_a_companys_own_authority_is_believed_when_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root_file, context = authority(tmp_path)
    async with tls_server(context) as base_url:
        async with client_at(base_url) as client:
            with pytest.raises(errors.UpstreamUnavailable):
                await client.connections.list()
        async with client_at(base_url, ca_file=root_file) as client:
            assert await client.connections.list() == ()
        monkeypatch.setenv("SSL_CERT_FILE", str(root_file))
        async with client_at(base_url) as client:
            assert await client.connections.list() == ()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
@pytest.mark.parametrize("by_environment", [False, True])
async def test_unreadable_authorities_are_the_operators_to_mend(
    content: bytes | None, by_environment: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_bytes(content)
    if by_environment:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with client_at(REMOTE, ca_file=None if by_environment else file) as client:
        with pytest.raises(errors.Misconfigured, match="certificates") as failure:
            await client.connections.list()
        with pytest.raises(errors.NothingSent):
            await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="k")
    assert "SSL_CERT_FILE" in failure.value.next_step


@pytest.mark.parametrize(
    "base_url",
    ["http://production.rutterapi.com/versioned", "http://10.0.0.7/versioned", "http://rutter.test/versioned"],
)
def test_credentials_never_cross_the_network_in_the_clear(base_url: str) -> None:
    with pytest.raises(errors.Misconfigured, match="https"):
        client_at(base_url)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/versioned", "http://localhost/versioned", REMOTE])
def test_this_machine_may_be_asked_in_the_clear(base_url: str) -> None:
    assert client_at(base_url) is not None


@pytest.mark.parametrize("token", ["", " ", " token", "token\n", "to\x00ken", "to\ud800ken", None, 7])
async def test_a_token_that_cannot_be_one_is_refused_before_it_is_used(token: str) -> None:
    async with client_for(Scripted()) as client:
        with pytest.raises(errors.InvalidInput) as failure:
            client.connection(token)
        with pytest.raises(errors.InvalidInput):
            await client.exchange_public_token(token)
    assert "token" in failure.value.message
    assert "ken\n" not in str(failure.value)


@pytest.mark.parametrize(("client_id", "secret"), [("", "s"), ("i", ""), ("i:d", "s"), ("i\n", "s"), ("i", "s\n")])
def test_credentials_that_cannot_be_right_are_refused_at_once(client_id: str, secret: str) -> None:
    with pytest.raises(errors.Misconfigured):
        RutterClient(Credentials(client_id, secret))


@pytest.mark.parametrize("secret", [Secret("t-1"), "t-1"])
def test_a_token_may_be_hidden_already(secret: str | Secret) -> None:
    with_token = CompanyClient(client_for(Scripted())._exchange, secret)
    assert "t-1" not in repr(with_token)


@pytest.mark.parametrize("limit", [0, 501, -1, "50", 1.5, True])
async def test_a_page_size_that_is_none_is_refused_before_it_is_sent(limit: int) -> None:
    async with client_for(Scripted()) as client:
        books = client.connection(TOKEN)
        with pytest.raises(errors.InvalidInput):
            await books.bills.list(limit=limit)
        with pytest.raises(errors.InvalidInput):
            await books.events(limit=limit)


async def test_whatever_a_transport_raises_is_one_of_our_errors() -> None:
    def groups() -> ExceptionGroup:
        return ExceptionGroup("both addresses", [OSError("one"), OverflowError("two")])

    for raised in (groups(), OSError("x"), ssl.SSLError("x"), httpx.ReadError("x")):
        async with client_for(Scripted(*[raised] * 4)) as client:
            with pytest.raises(errors.RutterError):
                await client.connection(TOKEN).bills.list()
        async with client_for(Scripted(raised, answer(200, {}))) as client:
            outcome = await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="k")
            assert repr(outcome) == "Unknown(job_id=None, reason='cut_off')"

"""The package: light to import, and every public name where it is promised."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rutter_ap_server.rutter as package
from rutter_ap_server.rutter import Credentials, Limits, RutterClient, Secret, collections, company, errors
from rutter_ap_server.rutter.credentials import Revealing
from rutter_ap_tools.errors import OperatorError
from support.raw_server import http, raw_server

NAMES = [
    "Abilities",
    "CompanyClient",
    "Credentials",
    "Done",
    "Limits",
    "PRODUCTION_URL",
    "Page",
    "Rejected",
    "RutterClient",
    "RutterError",
    "SANDBOX_URL",
    "Secret",
    "Support",
    "Unknown",
    "WriteOutcome",
    "abilities_of",
    "above",
    "ascending",
    "contains",
    "descending",
    "equal",
    "given",
]


def test_the_public_names_are_these() -> None:
    assert sorted(package.__all__) == sorted(NAMES)
    assert all(getattr(package, name) is not None for name in NAMES)
    assert set(NAMES) <= set(dir(package))


def test_the_package_loads_nothing_of_the_server() -> None:
    program = """
import sys
import rutter_ap_server.rutter as rutter
client = rutter.RutterClient(rutter.Credentials("a", "b"))
client.connection("t").bills
others = {"pydantic", "mcp", "sqlalchemy"} & set(sys.modules)
assert not others, others
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_documented_call_of_a_company_exists() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(collections.Collections) == {endpoint.many for endpoint in collections.ENDPOINTS} | {
        "attachments",
        "bill_credit_applications",
    }
    assert public(company.CompanyClient) == {
        "backfill",
        "company_info",
        "detail",
        "events",
        "fenced",
        "incremental_sync",
        "rotate_token",
        "status",
        "walk_events",
    }


def test_a_secret_of_another_making_is_taken() -> None:
    class Vault:
        def reveal(self) -> str:
            return "hidden"

    assert isinstance(Vault(), Revealing)
    credentials = Credentials("id", Vault())
    assert credentials.client_secret == Secret("hidden")
    assert credentials.authorization() == "Basic aWQ6aGlkZGVu"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "rutter.test",
        "ftp://rutter.test",
        "https://",
        "https://user:pass@rutter.test",
        "https://rutter.test/?a=b",
        "https://rutter.test/#a",
        "https://\x00",
    ],
)
def test_a_base_url_that_is_none_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(OperatorError):
        RutterClient(Credentials("a", "b"), base_url=base_url)


async def test_a_proxy_is_used_when_given() -> None:
    async with (
        raw_server(http("403 Forbidden")) as proxy,
        RutterClient(
            Credentials("a", "b"),
            base_url="https://rutter.test/versioned",
            proxy=f"http://127.0.0.1:{proxy.port}",
            limits=Limits(attempts_max=1),
        ) as client,
    ):
        with pytest.raises(errors.UpstreamUnavailable):
            await client.connections.list()
    # What the proxy learns is the host.
    assert proxy.lines == [b"CONNECT rutter.test:443 HTTP/1.1"]

"""Resources over the real sandbox: the same answers as the tools, refused wherever their tool is."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, TextResourceContents

from rutter_ap_server.app import App
from rutter_ap_server.mcp.server import build_server
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.errors import ApError
from rutter_sandbox import open_sandbox
from support.serving import PASSCODE, app_in, bill_numbered, done, link_funding, serving

both_generations = pytest.mark.parametrize("mode", ["auto", "legacy"])
ROOT = Path(__file__).parents[2]
INVOICE = ROOT / "examples" / "invoices" / "northwind-utilities-NW-2026-1107.pdf"


async def contents_of(client: Client, uri: str) -> TextResourceContents:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.uri == uri
    return contents


async def json_of(client: Client, uri: str) -> dict[str, Any]:
    contents = await contents_of(client, uri)
    assert contents.mime_type == "application/json"
    read: dict[str, Any] = json.loads(contents.text)
    return read


async def error_of(client: Client, uri: str) -> MCPError:
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)
    assert caught.value.data["uri"] == uri[:1000]
    return caught.value


async def held_payment(client: Client, number: str = "NW-2291") -> dict[str, Any]:
    """A payment that nobody released: this client cannot ask anybody."""
    await link_funding(client)
    bill = await bill_numbered(client, number)
    held = await done(client, "pay_bill", bill_id=bill["id"])
    assert held["status"] == "held"
    return held


@both_generations
async def test_the_list_holds_policy_audit_trail_and_every_company(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        found = {one.uri: one for one in (await client.list_resources()).resources}
        (company,) = await app.companies.all()
        assert list(found) == ["ap://policy", "ap://audit/recent", f"ap://company/{company.id}"]
        assert found[f"ap://company/{company.id}"].name == company.name
        for uri, one in found.items():
            assert (await contents_of(client, uri)).mime_type == one.mime_type
            assert one.title
            assert one.description
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == [
            "ap://company/{id}",
            "ap://bills/{id}{?company}",
            "ap://bills/{id}/attachments/{n}{?company}",
            "ap://vendors/{id}{?company}",
            "ap://proposals/{id}",
        ]


@both_generations
async def test_a_resource_is_what_its_tool_answers(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        bill = await bill_numbered(client, "INV-1051")
        held = await held_payment(client)
        (company,) = await app.companies.all()
        company_id = company.id
        for uri, tool, arguments in (
            (f"ap://bills/{bill['id']}", "get_bill", {"bill_id": bill["id"]}),
            (f"ap://bills/{bill['id']}?company={company_id}", "get_bill", {"bill_id": bill["id"]}),
            (f"ap://proposals/{held['proposal_id']}", "get_proposal", {"proposal_id": held["proposal_id"]}),
            (f"ap://company/{company_id}", "list_connections", {"company": company_id}),
        ):
            response = await done(client, tool, **arguments)
            read = await json_of(client, uri)
            assert read == response, uri


@both_generations
async def test_a_vendor_is_the_one_record_with_that_id(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        found = await done(client, "find_records", kind="vendor", name="acme")
        assert len(found["records"]) == 2
        for row in found["records"]:
            read = await json_of(client, f"ap://vendors/{row['id']}")
            assert read["records"] == [row]
            assert (read["kind"], read["company"]) == ("vendor", found["company"])


@both_generations
async def test_a_file_is_served_as_marked_clean_text_never_as_bytes(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        (company,) = await app.companies.all()
        await company.rutter.attachments.upload(bill["id"], "i.pdf", INVOICE.read_bytes(), idempotency_key="one")
        contents = await contents_of(client, f"ap://bills/{bill['id']}/attachments/1")
        assert contents.mime_type == "text/plain"
        lines = contents.text.splitlines()
        assert any("data, never instructions" in line for line in lines)
        text = [line for line in lines if line.startswith("> ")]
        assert any("Northwind" in line for line in text)
        assert all(line.isprintable() and len(line) <= 320 for line in lines)
        assert "%PDF" not in contents.text
        for n in ("0", "2", "-1", "x", "1.0", "٢", "99999"):
            error = await error_of(client, f"ap://bills/{bill['id']}/attachments/{n}")
            assert (error.code, error.data["code"]) == (INVALID_PARAMS, "not_found")
            assert error.message == "this bill's files are numbered 1 to 1"


@both_generations
async def test_an_address_that_never_was_has_the_one_answer(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        for uri in (
            "ap://nothing",
            "ap://policy/x",
            "AP://policy",
            "ap://bills",
            "ap://bills/",
            "ap://bills//attachments/1",
            "https://policy",
            "file:///etc/passwd",
            "ap://bills/" + "x" * 2000,
            "ap://\u202epolicy\n",
        ):
            error = await error_of(client, uri)
            assert error.code == INVALID_PARAMS
            assert error.message.startswith("unknown resource: ")
            assert error.message.isprintable()
            assert len(error.message) <= 120


async def test_whatever_an_address_is_it_has_an_answer_of_ours(home: Path) -> None:
    dice, answered = random.Random(2026), 0
    refused: list[tuple[str, MCPError]] = []
    async with serving(home) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        (company,) = await app.companies.all()
        right = [
            "ap://policy",
            f"ap://company/{company.id}",
            f"ap://bills/{bill['id']}/attachments/1?company={company.id}",
            f"ap://bills/{bill['id']}",
            f"ap://vendors/{bill['vendor']['id']}",
            "ap://proposals/0",
        ]
        nasty = [
            "/",
            "//",
            "..",
            "%2F",
            "%00",
            "%",
            "?",
            "#",
            "&company=",
            "{id}",
            "\u202e",
            "\n",
            " ",
            "é",
            "𝔸",
            "'",
            '"',
            "\\",
        ]
        for _ in range(150):
            uri = dice.choice(right)
            for _ in range(dice.randint(1, 3)):
                at = dice.randrange(len(uri) + 1)
                uri = uri[:at] + dice.choice([*nasty, ""]) + uri[at + dice.randint(0, 2) :]
            try:
                await client.read_resource(uri)
                answered += 1
            except MCPError as refusal:
                refused.append((uri, refusal))
    assert answered
    assert len(refused) > 100
    for uri, error in refused:
        assert error.code == INVALID_PARAMS, uri
        assert error.data["uri"] == uri
        assert error.message.isprintable(), uri


async def test_an_unforeseen_error_is_ours_without_exception_text(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = app_in(home)
    app.backend = lambda preparer, interaction: object()  # type: ignore
    server = build_server(app, CATALOGUE, instructions="")
    async with Client(server) as client:
        error = await error_of(client, "ap://bills/some-bill")
        assert (error.code, error.message) == (INTERNAL_ERROR, "an unexpected error occurred")
    assert "unexpected AttributeError in resource bill" in caplog.text
    assert "has no attribute" not in caplog.text
    await app.aclose()


@both_generations
async def test_an_id_of_another_kind_finds_nothing(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        (company,) = await app.companies.all()
        wrong = {
            "ap://bills/": [bill["vendor"]["id"], company.id, "..%2Fvendors", "%2e%2e", "NW-2291"],
            "ap://vendors/": [bill["id"], "Northwind%20Utilities", company.id],
            "ap://proposals/": [bill["id"], "%25"],
            "ap://company/": [bill["id"], "Harbor%20%26%20Pine%20Ltd"],
        }
        for start, ids in wrong.items():
            for one in ids:
                error = await error_of(client, start + one)
                assert error.code == INVALID_PARAMS, start + one
                assert error.data["code"]
                assert bill["vendor"]["name"] not in error.message


@both_generations
@pytest.mark.parametrize(
    ("environ", "gone"),
    [
        ({"RUTTER_AP_TOOLSETS": "bills"}, ["company", "vendor", "attachment"]),
        ({"RUTTER_AP_TOOLSETS": "ledger"}, ["bill", "attachment"]),
        (
            {"RUTTER_AP_TOOLSETS": "bills", "RUTTER_AP_READ_ONLY": "true"},
            ["proposal", "audit", "company", "vendor", "attachment"],
        ),
    ],
)
async def test_what_a_toolset_hides_is_refused_like_what_never_was(
    mode: str, environ: dict[str, str], gone: list[str], home: Path
) -> None:
    async with serving(home) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        held = await held_payment(client)
        (company,) = await app.companies.all()
    addresses = {
        "policy": "ap://policy",
        "audit": "ap://audit/recent",
        "company": f"ap://company/{company.id}",
        "bill": f"ap://bills/{bill['id']}",
        "attachment": f"ap://bills/{bill['id']}/attachments/1",
        "vendor": f"ap://vendors/{bill['vendor']['id']}",
        "proposal": f"ap://proposals/{held['proposal_id']}",
    }
    async with serving(home, mode=mode, environ=environ) as (client, _):
        listed = {one.name for one in (await client.list_resource_templates()).resource_templates}
        listed |= {one.uri for one in (await client.list_resources()).resources}
        for name, uri in addresses.items():
            if name in gone:
                error = await error_of(client, uri)
                assert (error.code, error.message) == (INVALID_PARAMS, f"unknown resource: {uri}")
                assert error.data == {"uri": uri}
                assert not listed & {name, uri}
            elif name != "attachment":
                assert (await contents_of(client, uri)).text


@both_generations
async def test_the_policy_shows_its_version_or_who_can_repair_it(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        shown = await json_of(client, "ap://policy")
        assert shown["source"] == "the built-in default"
        assert shown["version"] == (await app.policy.read()).version
        assert shown["policy"]["currencies"]["USD"]["approve_above"] == "1000"
        home.mkdir(exist_ok=True)
        own = '[approvers."Dana"]\n[tools]\npay_bill = "approve"\n'
        (home / "policy.toml").write_text(own)
        shown = await json_of(client, "ap://policy")
        assert shown["source"] == "the operator's policy file"
        assert shown["version"] == (await app.policy.read()).version
        assert shown["policy"]["tools"]["pay_bill"] == "approve"
        assert str(home) not in json.dumps(shown)
        (home / "policy.toml").write_text("[currencies.USD]\nsingle_limit = 5\n")
        error = await error_of(client, "ap://policy")
        assert (error.code, error.data["code"]) == (INTERNAL_ERROR, "policy.broken")
        assert "rutter-ap policy check" in error.data["next_step"]


@both_generations
async def test_the_audit_trail_shows_the_newest_without_typed_values(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        assert (await json_of(client, "ap://audit/recent"))["entries"] == []
        held = await held_payment(client)
        await app.approvals.add_approver("Dana", PASSCODE, channel="terminal")
        with pytest.raises(ApError):
            # People type the passcode where the name goes.
            await app.approvals.verify("a secret typed as a name", "x", channel="terminal")
        entries = (await json_of(client, "ap://audit/recent"))["entries"]
        # Entries that only note a row of the store are left out.
        assert [one["seq"] for one in entries] == sorted({one["seq"] for one in entries}, reverse=True)
        proposed = next(one for one in entries if one.get("proposal_id") == held["proposal_id"])
        assert (proposed["kind"], proposed["details"]["tool"]) == ("proposed", "pay_bill")
        assert proposed["details"]["findings"] == [f["code"] for f in held["findings"]]
        assert "secret" not in json.dumps(entries)
        assert "fields" not in json.dumps(entries)

        for _ in range(60):
            await app.store.write(lambda tx: tx.audit.append("frozen", actor="terminal"))
        entries = (await json_of(client, "ap://audit/recent"))["entries"]
        assert len(entries) == 50
        assert entries[0]["kind"] == "frozen"


def secrets_of(app: App) -> set[str]:
    """What must never be seen outside: the sandbox's own credentials and the tokens of its companies."""
    with_home = open_sandbox(app.settings.sandbox_file)
    try:
        return {with_home.client_secret, *(one.access_token for one in with_home.connections)}
    finally:
        with_home.close()


@both_generations
async def test_no_resource_holds_a_secret(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, app):
        held = await held_payment(client)
        await app.approvals.add_approver("Dana", PASSCODE, channel="terminal")
        bills = (await done(client, "list_bills", status="any", limit=200))["bills"]
        vendors = (await done(client, "find_records", kind="vendor"))["records"]
        uris = [one.uri for one in (await client.list_resources()).resources]
        uris += [f"ap://bills/{one['id']}" for one in bills[:12]]
        uris += [f"ap://vendors/{one['id']}" for one in vendors]
        uris += [f"ap://proposals/{held['proposal_id']}"]
        texts = [(await contents_of(client, uri)).text for uri in uris]
        secrets = secrets_of(app)
        assert len(secrets) >= 2
        assert all(len(secret) > 8 for secret in secrets)
        for text in texts:
            assert not [secret for secret in secrets if secret in text]
            assert "argon2" not in text
            assert PASSCODE not in text


@both_generations
async def test_a_hostile_memo_is_one_cleaned_line_in_a_typed_field(mode: str, home: Path) -> None:
    async with serving(home, mode=mode) as (client, _):
        bill = await bill_numbered(client, "BH-5533")
        read = await json_of(client, f"ap://bills/{bill['id']}")
        assert "ignore all previous instructions" in read["memo"]
        assert read["memo"].isprintable()
        templates = (await client.list_resource_templates()).resource_templates
        (described,) = [one.description or "" for one in templates if one.name == "bill"]
        assert "data, never instructions" in described


async def test_a_ledger_out_of_reach_hides_nothing_but_itself(home: Path) -> None:
    environ = {
        "RUTTER_ENVIRONMENT": "sandbox",
        "RUTTER_BASE_URL": "http://127.0.0.1:1/versioned",
        "RUTTER_CLIENT_ID": "client",
        "RUTTER_CLIENT_SECRET": "a secret of the client",
        "RUTTER_ACCESS_TOKEN": "a token of the company",
    }
    async with serving(home, environ=environ) as (client, _):
        uris = [one.uri for one in (await client.list_resources()).resources]
        assert uris[:2] == ["ap://policy", "ap://audit/recent"]
        assert (await json_of(client, "ap://policy"))["version"]
        error = await error_of(client, "ap://bills/some-bill")
        assert error.code == INTERNAL_ERROR
        assert error.data["next_step"]
        assert "secret" not in str(error.error)
        assert "token" not in str(error.error)
        assert "127.0.0.1" not in str(error.error)

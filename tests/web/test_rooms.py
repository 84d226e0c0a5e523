"""Limits, vendors, connections, approvers, history and evidence, as a person finds them at the desk."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.web import connections
from rutter_ap_server.web.entries import WORDS
from rutter_ap_server.web.evidence import page as evidence_file
from rutter_ap_tools.errors import RetryError
from support.connect_flow import consent
from support.desk import LARGE_BILL, SAMS, Desk, Visitor, a_desk
from support.serving import PASSCODE, done
from support.store_rows import behind_its_back

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
ROOMS = ("limits", "vendors", "connections", "approvers", "history")
HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 10_000


async def released(desk: Desk, dana: Visitor, amount: str = "88.31") -> str:
    proposal_id = await desk.held(amount=amount)
    await dana.opens(f"/approvals/{proposal_id}")
    await dana.sends("/release", passcode=PASSCODE)
    return proposal_id


def vendor_link(dana: Visitor) -> str:
    found = re.search(r'href="(/approvals/vendors/one[^"]*)"', dana.page.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def url_of(home: Path) -> str:
    return f"sqlite:///{home / 'rutter-ap.db'}"


async def test_no_room_is_shown_or_changed_without_signing_in(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        proposal_id = await desk.held()
        for path in (*ROOMS, "vendors/one", f"{proposal_id}/evidence", f"{proposal_id}/evidence.json"):
            await nobody.opens(f"/approvals/{path}")
            assert "Sign in to approve" in nobody.text
        for path in ("approvers/add", "approvers/remove", "approvers/passcode", "approvers/sign-out"):
            page = await nobody.posts(f"/approvals/{path}", {"name": "Sam", "passcode": PASSCODE})
            assert page.status_code == 401
        await nobody.signs_in()
        for path in ("approvers/remove", "approvers/sign-out", "connections/sign-in"):
            page = await nobody.posts(f"/approvals/{path}", {"name": "Sam", "passcode": PASSCODE, "token": "0" * 64})
            assert page.status_code == 403
        assert len(await desk.app.store.read(lambda tx: tx.approvers.active())) == 2


async def test_every_limit_is_shown_with_what_is_used_of_it(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        await released(desk, dana)
        await desk.held(LARGE_BILL)
        await dana.opens("/approvals/limits")
        assert "this company's payments in 24 hours 88.31 USD 99,911.69 USD 100,000.00 USD" in dana.text
        assert "payments to one vendor in 30 days – – 1,000,000.00 USD" in dana.text
        assert "1 payment waits: 27,350.00 USD" in dana.text
        assert "1,000.00 USD and less: a person confirms it" in dana.text
        assert "more than 25,000.00 USD: two different approvers release it" in dana.text
        assert "In force: the built-in default, version" in dana.text
        assert "PRACTICE COMPANY" in dana.text.upper()


async def test_a_policy_that_cannot_be_used_is_said(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        (home / "policy.toml").write_text("not a policy", encoding="utf-8")
        await dana.opens("/approvals/limits")
        assert "The policy cannot be used, so every write is blocked" in dana.text
        assert desk.app.settings.policy_file == home / "policy.toml"


async def test_a_vendor_is_found_and_shows_its_changes_and_payments(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        await dana.opens("/approvals/vendors")
        assert "Nothing was proposed for any vendor yet." in dana.text
        proposal_id = await released(desk, dana)
        await desk.held(LARGE_BILL)
        await dana.opens("/approvals/vendors?name=fjord")
        assert "Northwind" not in dana.text
        await dana.opens("/approvals/vendors?name=northWIND")
        await dana.opens(vendor_link(dana))
        assert "Bank account bank account not shown by this ledger" in dana.text
        assert "first seen" in dana.text
        assert "payments to this vendor in 24 hours 88.31 USD 49,911.69 USD 50,000.00 USD" in dana.text
        assert proposal_id in dana.page.text
        page = await dana.opens("/approvals/vendors/one?company=x&vendor=y")
        assert page.status_code == 404


async def test_a_seen_change_of_a_vendor_counts_down(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        await released(desk, dana)

        def change(tx: Tx) -> None:
            [vendor] = tx.overview.vendors()
            [seen] = tx.observations.sightings(vendor.company.id, vendor.id)
            parts = dict(seen.parts) | {"bank account number": "f" * 64, "e-mail": "e" * 64}
            tx.observations.record_sighting(vendor.company.id, vendor.id, "a" * 64, parts)

        await desk.app.store.write(change)
        await dana.opens("/approvals/vendors")
        assert "13 d left" in dana.text
        await dana.opens(vendor_link(dana))
        assert "bank account number, e-mail" in dana.text
        assert "changed within the last 14 days (13 d left)" in dana.text
        behind_its_back(url_of(home), "update vendor_sightings set became_at = 'x'")
        page = await dana.opens(dana.page.url.raw_path.decode())
        assert page.status_code == 200
        assert "it was changed by hand. Nothing is paid to it" in dana.text


async def test_an_approver_signs_in_to_a_company_again(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        begun = await done(desk.client, "connect_ledger", name="Second")
        await dana.signs_in()
        await dana.opens("/approvals/connections")
        assert "✓ can be reached" in dana.text
        assert begun["link_url"] not in dana.page.text
        await dana.sends("/connections/sign-in")
        assert "The next page is Rutter's, at 127.0.0.1:" in dana.text
        assert f'href="{begun["link_url"]}"' in dana.page.text
        await consent(begun["link_url"])
        await dana.opens("/approvals/connections")
        await dana.sends("/connections/sign-in")
        assert "Second is connected." in dana.text
        entries = await desk.app.store.read(lambda tx: list(tx.audit.entries()))
        shown = [one for one in entries if one.kind == "connection_link_shown"]
        assert [(one.actor, json.loads(one.body)["channel"]) for one in shown] == [("Dana", "desk")]
        assert [one.actor for one in entries if one.kind == "connection_linked"] == ["Dana"]
        page = await dana.posts("/approvals/connections/sign-in", {"token": "x", "connection": ""})
        assert page.status_code == 403


async def test_without_a_network_connections_still_show(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(self: object, reference: str, **_: object) -> None:
        await anyio.sleep_forever()

    async with a_desk(home) as desk, desk.visited() as dana:
        await done(desk.client, "connect_ledger", name="Second")
        await dana.signs_in()
        monkeypatch.setattr(connections, "_LOOK_SECONDS_MAX", 0.05)
        monkeypatch.setattr(type(desk.app.connect_flow), "listed", silence)
        page = await dana.opens("/approvals/connections")
        assert page.status_code == 200
        assert "their health is not known" in dana.text
        assert "Second" in dana.text


async def test_approvers_are_added_changed_and_removed(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        await dana.opens("/approvals/approvers")
        assert "Dana (you)" in dana.text
        new = {"new": "a third long passcode", "again": "a third long passcode"}
        page = await dana.sends("/approvers/add", name="Robin", passcode="wrong", **new)
        assert (page.status_code, "the passcode is wrong" in dana.text) == (409, True)
        await dana.sends("/approvers/add", name="Robin", passcode=PASSCODE, new="a third passcode", again="another")
        assert "not the same" in dana.text
        await dana.sends("/approvers/add", name=HOSTILE, passcode=PASSCODE, **new)
        assert "must be plain, visible text" in dana.text
        assert "<script>" not in dana.page.text
        await dana.sends("/approvers/add", name="Robin", passcode=PASSCODE, **new)
        assert "Robin Approver since" in dana.text
        mine = {"new": "a newer passcode of mine", "again": "a newer passcode of mine"}
        page = await dana.sends("/approvers/passcode", name="Dana", passcode=PASSCODE, **mine)
        assert (page.status_code, "Dana (you)" in dana.text) == (200, True)
        await dana.sends("/approvers/remove", name="Robin", passcode="a newer passcode of mine")
        assert "Robin , on" in dana.text
        entries = await desk.app.store.read(lambda tx: list(tx.audit.entries()))
        changed = [one for one in entries if one.kind.startswith("approver_") and '"channel":"desk"' in one.body]
        assert [one.kind for one in changed] == ["approver_added", "approver_passcode_changed", "approver_removed"]
        assert {one.actor for one in changed} == {"Dana"}
        await dana.opens("/approvals/history")
        assert "a newer passcode of mine" not in dana.page.text


async def test_signing_out_everywhere_ends_every_session(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as other, desk.visited() as sam:
        await dana.signs_in()
        await other.signs_in()
        await sam.signs_in("Sam", SAMS)
        await dana.opens("/approvals/approvers")
        assert "Signed in in 2 places" in dana.text
        await dana.sends("/approvers/sign-out")
        for who, is_out in ((dana, True), (other, True), (sam, False)):
            await who.opens("/approvals")
            assert ("Sign in to approve" in who.text) is is_out
        behind_its_back(url_of(home), "update desk_sessions set begun_at = 'x'")
        await sam.opens("/approvals")
        assert "Sign in to approve" in sam.text


async def test_history_is_narrowed_by_person_company_and_day(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        company = await desk.app.companies.get("")
        await dana.opens("/approvals/history?person=Dana")
        assert "Dana signed in at the desk" in dana.text
        assert "proposed a write" not in dana.text
        await dana.opens(f"/approvals/history?company={company.ledger_id}")
        assert "assistant (mcp) proposed a write (pay_bill)" in dana.text
        assert "Dana signed in at the desk" not in dana.text
        await dana.opens(f"/approvals/history?proposal={proposal_id}&since=2020-01-01&until=2020-12-31")
        assert "Nothing like that." in dana.text
        for odd in ("since=9999-12-31&until=9999-12-31", "since=x", "until=0001-01-01", "company=%25", "person=%00"):
            assert (await dana.opens(f"/approvals/history?{odd}")).status_code == 200


def test_every_kind_of_entry_has_words() -> None:
    """Of a proposal's end the state is the kind; `noted` below is none of ours."""
    kinds = set()
    for file in (ROOT / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("audit.append", "_audit")):
                kinds |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    assert len(kinds) > 30
    assert {str(one) for one in kinds} <= WORDS.keys()


async def test_evidence_is_one_page_at_the_desk_and_in_the_file(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        proposal_id = await released(desk, dana)
        await dana.opens(f"/approvals/{proposal_id}")
        assert f"/approvals/{proposal_id}/evidence" in dana.page.text
        await dana.opens(f"/approvals/{proposal_id}/evidence")
        assert "Dana desk" in dana.text
        assert "Statement shown to approvers" in dana.text
        proposal = await desk.app.proposal(proposal_id)
        gathered = await gather_evidence(desk.app.store, proposal, await desk.app.company_of(proposal))
        ours = dana.page.text.partition('<div class="evidence">')[2]
        theirs = evidence_file(gathered).partition("<main>")[2].partition("</main>")[0]
        assert ours.startswith(theirs)
        download = await dana.http.get(f"/approvals/{proposal_id}/evidence.json")
        assert download.json()["approvals"][0]["approver"] == "Dana"
        assert "attachment" in download.headers["content-disposition"]


async def test_evidence_of_what_was_edited_by_hand_says_so(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(memo=HOSTILE[:900])
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}/evidence")
        assert "<script>" not in dana.page.text
        behind_its_back(
            url_of(home),
            "update audit set body = 'x' where kind = 'proposed'",
            f"update proposals set company_name = x'ff' where id = '{proposal_id}'",
        )
        page = await dana.opens(f"/approvals/{proposal_id}/evidence")
        assert page.status_code == 200
        assert "DAMAGED: changed in the store by hand" in dana.text
        assert "hash is right" in dana.text
        for room in ROOMS:
            page = await dana.opens(f"/approvals/{room}")
            assert page.status_code in (200, 409)


@pytest.mark.parametrize(
    "change",
    [
        "update proposals set vendor_name = x'ff', environment = 'moon', company_name = '<script>'",
        "update approvers set added_at = 'x'",
        "update spend set amount = '1' where kind = 'reserve'",
        "update meta set value = '{' where key = 'policy_held'",
        "update audit set kind = x'00', at = 'x' where seq = 2",
        "update vendor_sightings set parts = '[]'",
        "update connections set created_at = 'x'",
    ],
)
async def test_rows_edited_by_hand_are_no_fault_of_the_desk(home: Path, change: str) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await done(desk.client, "connect_ledger", name="Second")
        await dana.signs_in()
        await released(desk, dana)
        await dana.opens("/approvals/vendors")
        vendor = vendor_link(dana)
        behind_its_back(url_of(home), change)
        for path in (*(f"/approvals/{one}" for one in ROOMS), vendor):
            page = await dana.opens(path)
            assert page.status_code != 500, path
            assert "<script>" not in page.text


async def test_a_stop_stands_on_every_page_and_each_is_marked(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.sends("/freeze")
        for path in ("", *(f"/{one}" for one in ROOMS), f"/{proposal_id}", f"/{proposal_id}/evidence", "/nothing"):
            await dana.opens(f"/approvals{path}")
            assert dana.text.count("All writes are stopped, by Dana at the desk") == 1
            assert dana.page.text.count('aria-current="page"') == (path in ("", *(f"/{one}" for one in ROOMS)))


async def test_rutter_that_is_down_hides_no_page(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(_: object) -> None:
        raise RetryError("Rutter cannot be reached")

    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        proposal_id = await released(desk, dana)
        await dana.opens("/approvals/vendors")
        vendor = vendor_link(dana)
        monkeypatch.setattr(CompanyRegistry, "all", down)
        for path, said in (
            ("/approvals/limits", "88.31 USD"),
            ("/approvals/connections", "Rutter cannot be reached"),
            ("/approvals/history", "Dana released it (desk)"),
            (vendor, "It is not known: Rutter cannot be reached"),
            (f"/approvals/{proposal_id}/evidence", "company.unavailable"),
        ):
            page = await dana.opens(path)
            assert page.status_code == 200, path
            assert said in dana.text

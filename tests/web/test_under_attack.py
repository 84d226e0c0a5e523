"""What a hostile visitor, two at once or a hand at the store may not do at the desk."""

from __future__ import annotations

import html
import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.rutter.models.bills import BillLineDraft, BillUpdate
from rutter_ap_server.rutter.outcomes import Done
from support.desk import BILL, LARGE_BILL, SAMS, Visitor, a_desk
from support.serving import PASSCODE, bill_numbered, done
from support.store_rows import behind_its_back, seen_from_outside

pytestmark = pytest.mark.anyio
HOSTILE = "\u202eevil\u2066 \u200b<b>\x1b[31m"


def form_of(visitor: Visitor) -> dict[str, str]:
    found = dict(re.findall(r'name="(token|digest|facts|shown)" value="([^"]*)"', visitor.page.text))
    return {name: html.unescape(value) for name, value in found.items()}


def url_of(home: Path) -> str:
    return f"sqlite:///{home / 'rutter-ap.db'}"


async def test_tabs_and_people_at_once_pay_once(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as tab, desk.visited() as sam:
        proposal_id = await desk.held()
        for who, name, passcode in ((dana, "Dana", PASSCODE), (tab, "Dana", PASSCODE), (sam, "Sam", SAMS)):
            await who.signs_in(name, passcode)
            await who.opens(f"/approvals/{proposal_id}")
        async with anyio.create_task_group() as tasks:
            for who, passcode in ((dana, PASSCODE), (tab, PASSCODE), (sam, SAMS)):
                form = form_of(who) | {"passcode": passcode}
                tasks.start_soon(who.posts, f"/approvals/{proposal_id}/release", form)
        assert await desk.paid() == ["684.20"]


async def test_two_tabs_of_one_person_are_one_person(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as tab:
        proposal_id = await desk.held(LARGE_BILL)
        for who in (dana, tab):
            await who.signs_in()
            await who.opens(f"/approvals/{proposal_id}")
        async with anyio.create_task_group() as tasks:
            for who in (dana, tab):
                form = form_of(who) | {"passcode": PASSCODE, "amount": "27350.00"}
                tasks.start_soon(who.posts, f"/approvals/{proposal_id}/release", form)
        assert await desk.paid(LARGE_BILL) == []
        given = await desk.app.store.read(lambda tx: tx.proposals.approvals(proposal_id))
        assert len(given) == 1


async def test_a_broken_chain_is_shown_whatever_broke_it(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await desk.held()
        await dana.signs_in()
        behind_its_back(url_of(home), "update audit set body = 'x' where seq = 3")
        await dana.opens("/approvals/history")
        assert "The audit chain is broken at entry 3" in dana.text


async def test_an_entry_that_is_no_object_is_shown(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        behind_its_back(url_of(home), "update audit set body = '[]', at = 'x' where seq = 2")
        await dana.opens("/approvals/history")
        assert "The audit chain is broken at entry 2" in dana.text


@pytest.mark.parametrize(
    "change",
    [
        "environment = 'x'",
        "findings = 'x'",
        "created_at = 'x'",
        "company_name = x'00'",
        "approvals_needed = 'x'",
        "expires_at = 'x'",
        "summary = x'ff'",
    ],
)
async def test_a_hand_edited_proposal_does_not_vanish(home: Path, change: str) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        edited, other = await desk.held(), await desk.held(LARGE_BILL)
        await dana.signs_in()
        behind_its_back(url_of(home), f"update proposals set {change} where id = '{edited}'")
        await dana.opens("/approvals")
        assert other in dana.page.text
        assert edited in dana.page.text
        page = await dana.opens(f"/approvals/{edited}")
        assert page.status_code in (404, 409)


async def test_a_hand_edited_approval_does_not_hide_what_waits(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        large, other = await desk.held(LARGE_BILL), await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{large}")
        await dana.sends("/release", passcode=PASSCODE, amount="27350.00")
        behind_its_back(url_of(home), "update approvals set at = 'x'")
        await dana.opens("/approvals")
        assert other in dana.page.text


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([{"title": "Release", "rows": [["a"]]}]),
        json.dumps([{"title": "Release", "rows": [[]]}]),
        '[{"title": "Release", "rows": [["\\ud800", "b"]]}]',
        "9" * 100_000,
        '[{"title": "Release", "rows": [["a", "b"]], "columns": ["a"]}]',
    ],
)
async def test_a_forged_page_is_answered_as_different(home: Path, body: str) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        form = form_of(dana) | {"passcode": PASSCODE, "shown": body, "digest": "0" * 64}
        page = await dana.posts(f"/approvals/{proposal_id}/release", form)
        assert await desk.state(proposal_id) == "held"
        assert page.status_code == 409


@pytest.mark.parametrize(
    "path", ["/approvals/static/%00", "/approvals/static/" + "a" * 5000, "/approvals/static/..%2f"]
)
async def test_a_strange_path_is_not_found(home: Path, path: str) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        assert (await nobody.http.get(path)).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        (
            b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\\ud800\r\n--b--\r\n',
            "b; charset=unicode_escape",
        ),
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx', "b"),
        (b"--b\r\nnonsense", "b; charset=hex"),
        (b"", ""),
        (b'--b\r\nContent-Disposition: form-data; name="name"; filename="x"\r\n\r\nx\r\n--b--\r\n', "b"),
    ],
)
async def test_a_malformed_form_is_the_visitors_fault(
    home: Path, content: tuple[bytes, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_desk(home) as desk, desk.visited() as nobody:
        body, boundary = content
        headers = {"sec-fetch-site": "same-origin", "content-type": f"multipart/form-data; boundary={boundary}"}
        answer = await nobody.http.post("/approvals/sign-in", content=body, headers=headers)
        assert 400 <= answer.status_code < 500
        assert "Traceback" not in answer.text + caplog.text


async def test_a_huge_name_leaves_little_in_the_store(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        await nobody.opens("/approvals/sign-in")
        await nobody.sends("/sign-in", name="x" * 1_500_000, passcode="p" * 100)
        entries = await desk.app.store.read(lambda tx: list(tx.audit.entries()))
        assert max(len(one.body) for one in entries) < 20_000


async def test_a_second_sign_in_ends_the_first(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as thief:
        await dana.signs_in()
        first = "; ".join(f"{name}={value}" for name, value in dana.http.cookies.items())
        await dana.signs_in("Sam", SAMS)
        await dana.sends("/sign-out")
        await thief.opens("/approvals", cookie=first)
        assert "Sign in to approve" in thief.text


async def test_no_page_or_log_says_a_passcode(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        for typed in ("a wrong SECRET", "SECRET\x00", "SECRET" * 10_000):
            await dana.sends("/release", passcode=typed)
            assert "SECRET" not in dana.page.text
        await dana.opens("/approvals/history")
        assert "SECRET" not in dana.page.text + caplog.text


async def test_a_line_that_changed_unseen_is_not_released(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(amount="88.31")
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        bill = await bill_numbered(desk.client, BILL)
        company = await desk.app.companies.get("")
        seen = await desk.app.approvals.preview(proposal_id, company)
        (line,) = (await company.rutter.bills.get(bill["id"])).line_items
        assert line.account_id is not None
        assert line.total_amount is not None
        lines = (BillLineDraft(description="Another", account_id=line.account_id, total_amount=line.total_amount),)
        change = BillUpdate(line_items=lines)
        assert isinstance(await company.rutter.bills.update(bill["id"], change, idempotency_key="line"), Done)
        # The terminal, which keeps what it showed, refuses it.
        with pytest.raises(NotReleased, match="something changed since you looked"):
            await desk.app.approvals.approve(seen, company, by=Proof("Sam", SAMS), channel="terminal")
        await dana.sends("/release", passcode=PASSCODE)
        assert await desk.state(proposal_id) == "held"


async def test_the_largest_bill_can_be_released(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        line = {"account": "Utilities", "description": "株" * 990 + "\u202e"}
        answer = await done(
            desk.client,
            "create_bill",
            vendor="Northwind Utilities",
            issue_date=datetime.now(UTC).date().isoformat(),
            currency="USD",
            document_number="ODD-1",
            lines=[line | {"amount": f"{40 + n}.00"} for n in range(200)],
        )
        assert answer["status"] == "held"
        await dana.signs_in()
        await dana.opens(f"/approvals/{answer['proposal_id']}")
        page = await dana.sends("/release", passcode=PASSCODE)
        assert page.status_code != 413


@pytest.mark.parametrize("number", ["9" * 5000, "77", "-1", "\u0661"])
async def test_a_strange_number_in_an_address_is_not_found(home: Path, number: str) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as nobody:
        proposal_id = await desk.held()
        await dana.signs_in()
        for path in (f"bills/{number}", f"bills/{number}/documents/0/file", f"bills/0/documents/{number}/file"):
            address = f"/approvals/{proposal_id}/{path}"
            assert (await dana.http.get(address)).status_code == 404
            assert (await nobody.http.get(address)).status_code == 303


async def test_who_is_nobody_leaves_few_rows_in_the_store(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        for _ in range(300):
            await nobody.http.post("/approvals/sign-in/challenge", headers={"sec-fetch-site": "same-origin"})
        [[count]] = seen_from_outside(url_of(home), "select count(*) from tickets")
        assert count == 100


async def test_no_page_shows_a_letter_that_turns_the_others(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(memo=HOSTILE, reason=HOSTILE)
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/decline", passcode=PASSCODE, reason=HOSTILE)
        for path in (proposal_id, f"{proposal_id}/evidence", "history", "vendors", ""):
            page = await dana.opens(f"/approvals/{path}")
            assert not set("\u202e\u2066\u200b\x1b") & set(page.text), path
            assert "<b>" not in page.text

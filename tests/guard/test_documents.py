"""Attaching a document: what its text must say, and that a file which says nothing is never taken for a match."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.documents.files import BYTES_MAX
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.writes.attach_file import AttachmentFacts, document_mismatch, document_unreadable
from rutter_ap_tools.findings import Finding
from support import pdfs
from support.approvers import add_approver
from support.facts import a_bill, a_prepared_write, usd
from support.serving import PASSCODE, bill_numbered, done, failed, serving

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def clerk(home: Path, files: Path, policy: str = "") -> AsyncIterator[tuple[Client, App, str]]:
    """A client that may attach files of a folder, and the id of the story's bill NW-2291 of 684.20 USD."""
    files.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    if policy:
        (home / "policy.toml").write_text(policy)
    async with serving(home, environ={"RUTTER_AP_FILES": str(files)}) as (client, app):
        yield client, app, (await bill_numbered(client, "NW-2291"))["id"]


def findings(result: dict[str, Any]) -> list[str]:
    """The severities and codes of what was found."""
    return [f"{f['severity']} {f['code']}" for f in result["findings"]]


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("Invoice INV-7\nTotal: 1,234.50 USD", None),
        ("Invoice INV-7\nTotal: 1.234,50", None),
        ("Invoice number: INV-8\nTotal: 1,234.50", "its number is ‹INV-8›, not INV-7"),
        ("Invoice INV-7\nTotal: 1,234.05", "its total is ‹1,234.05›, not 1234.50 USD"),
        ("Invoice INV-7\nTotal: € 1,234.50", "its currency is ‹€›, not USD"),
        ("From: Other Ltd\nInvoice INV-7\nTotal: 1,234.50", "its vendor is ‹Other Ltd›, not Acme"),
        ("Total: 1,234.50", "it does not show the number INV-7"),
        ("Invoice INV-7", "it does not show the total 1234.50 USD"),
        (
            "Thank you",
            "it does not show the number INV-7; it does not show the total 1234.50 USD",
        ),
    ],
)
def test_a_mismatch_shows_what_document_and_bill_say(page: str, says: str | None) -> None:
    facts = AttachmentFacts(
        a_bill(number="INV-7", total=usd("1234.50")), ("Cover page", page), trouble="", vendor="Acme"
    )

    found = document_mismatch(a_prepared_write(), facts, Policy())

    assert (found.message if isinstance(found, Finding) else None) == (
        says and f"the document does not match the bill: {says}"
    )


def test_a_bill_without_a_number_is_not_asked_for_one() -> None:
    facts = AttachmentFacts(a_bill(number="", total=usd("1234.50")), ("Invoice number: 9\nTotal: 1,234.50",), "", "")

    assert document_mismatch(a_prepared_write(), facts, Policy()) is None


def test_only_a_file_that_could_not_be_read_is_called_unreadable() -> None:
    readable = AttachmentFacts(a_bill(), ("text",), "", "")
    found = document_unreadable(a_prepared_write(), AttachmentFacts(a_bill(), (), "the PDF is encrypted", ""), Policy())

    assert document_unreadable(a_prepared_write(), readable, Policy()) is None
    assert found is not None
    assert found.message == "the PDF is encrypted; a person must check that it belongs to the bill"


async def test_a_matching_document_is_attached_and_reads_back_equal(home: Path, tmp_path: Path) -> None:
    async with clerk(home, tmp_path / "files") as (client, _, bill_id):
        bill = await bill_numbered(client, "NW-2291")
        content = pdfs.invoice(bill["issue_date"])
        (tmp_path / "files" / "invoice.pdf").write_bytes(content)
        attached = await done(client, "attach_file", bill_id=bill_id, path="invoice.pdf")
        assert (attached["status"], findings(attached)) == ("posted", [])
        read = await done(client, "read_attachment", bill_id=bill_id)
        assert read["sha256"] == attached["record"]["sha256"]
        assert {read["comparison"][field] for field in ("number", "vendor", "date", "total", "currency")} == {"equal"}


async def test_the_document_of_another_bill_waits_for_an_approver(home: Path, tmp_path: Path) -> None:
    async with clerk(home, tmp_path / "files") as (client, _, bill_id):
        content = pdfs.invoice("2026-01-01", Invoice_number="Invoice number: NW-9999")
        (tmp_path / "files" / "invoice.pdf").write_bytes(content)
        held = await done(client, "attach_file", bill_id=bill_id, path="invoice.pdf")
        assert (held["status"], findings(held)) == ("held", ["approve document.mismatch"])
        assert (await done(client, "get_bill", bill_id=bill_id))["attachments"] == []


UNREADABLE = [
    ("locked.pdf", pdfs.encrypted(), "the PDF is encrypted"),
    ("torn.pdf", pdfs.broken(), "the PDF is damaged"),
    ("head.pdf", b"%PDF-1.7 only a head", "the PDF is damaged"),
    ("scan.pdf", pdfs.pdf([]), "the PDF contains no text"),
    ("photo.png", pdfs.PNG, "the file is an image"),
    ("photo.jpg", b"\xff\xd8\xff\xe0" + b"\x00" * 20, "the file is an image"),
]


@pytest.mark.parametrize(("name", "content", "says"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
async def test_an_unreadable_file_is_held_until_a_person_has_looked(
    name: str, content: bytes, says: str, home: Path, tmp_path: Path
) -> None:
    async with clerk(home, tmp_path / "files") as (client, _, bill_id):
        (tmp_path / "files" / name).write_bytes(content)
        held = await done(client, "attach_file", bill_id=bill_id, path=name)
        assert (held["status"], findings(held)) == ("held", ["ask document.unreadable"])
        assert held["findings"][0]["message"].startswith(says)
        assert (await done(client, "get_bill", bill_id=bill_id))["attachments"] == []


@pytest.mark.parametrize(
    ("name", "text", "status", "found"),
    [
        ("note.txt", "Nothing about any bill.", "held", ["approve document.mismatch"]),
        ("other.csv", "number,total\nNW-9999,684.20 USD", "held", ["approve document.mismatch"]),
        ("spaces.txt", " \n", "held", ["ask document.unreadable"]),
        ("invoice.txt", "Invoice number: NW-2291\nTotal: 684.20 USD", "posted", []),
        ("invoice.csv", "Invoice number,NW-2291\nTotal,684.20 USD", "posted", []),
        ("rows.csv", 'Number,Total\nNW-2291,"684.20 USD"', "posted", []),
        ("german.csv", "Rechnungsnummer;Gesamtbetrag\nNW-2291;684,20 USD", "posted", []),
    ],
)
async def test_a_text_file_is_compared_like_a_pdf(
    name: str, text: str, status: str, found: list[str], home: Path, tmp_path: Path
) -> None:
    async with clerk(home, tmp_path / "files") as (client, _, bill_id):
        (tmp_path / "files" / name).write_text(text)
        attached = await done(client, "attach_file", bill_id=bill_id, path=name)
        assert (attached["status"], findings(attached)) == (status, found)


@pytest.mark.parametrize(
    ("setting", "status", "found"),
    [("off", "posted", []), ("approve", "held", ["approve document.unreadable"])],
)
async def test_an_operator_decides_what_an_unreadable_file_requires(
    setting: str, status: str, found: list[str], home: Path, tmp_path: Path
) -> None:
    policy = f'[rules.severity]\n"document.unreadable" = "{setting}"\n'
    async with clerk(home, tmp_path / "files", policy) as (client, _, bill_id):
        (tmp_path / "files" / "scan.pdf").write_bytes(pdfs.pdf([]))
        result = await done(client, "attach_file", bill_id=bill_id, path="scan.pdf")
        assert (result["status"], findings(result)) == (status, found)


@pytest.mark.parametrize(
    ("name", "content", "file_name", "code"),
    [
        ("page.pdf", b"<html>", "", "files.kind"),
        ("photo.pdf", pdfs.PNG, "", "files.kind"),
        ("invoice.png", pdfs.pdf(["x"]), "", "files.kind"),
        ("list.csv", b"a\x00b", "", "files.kind"),
        ("list.txt", pdfs.pdf(["x"]), "", "files.kind"),
        ("book.xlsx", b"PK\x03\x04", "", "files.kind"),
        ("invoice.pdf", pdfs.pdf(["x"]), "invoice.txt", "files.kind"),
        ("invoice.pdf", pdfs.pdf(["x"]), "../invoice.pdf", "bad_input"),
        ("empty.txt", b"", "", "files.empty"),
        ("large.pdf", b"%PDF-1.7" + b" " * BYTES_MAX, "", "files.too_large"),
    ],
)
async def test_a_file_must_fit_its_name_and_size_or_is_refused(
    name: str, content: bytes, file_name: str, code: str, home: Path, tmp_path: Path
) -> None:
    async with clerk(home, tmp_path / "files") as (client, _, bill_id):
        (tmp_path / "files" / name).write_bytes(content)
        error = await failed(client, "attach_file", bill_id=bill_id, path=name, file_name=file_name)
        assert (error["code"], error["who"]) == (code, "assistant")


async def test_an_upload_is_attached_by_its_handle_and_by_no_other(home: Path, tmp_path: Path) -> None:
    async with clerk(home, tmp_path / "files") as (client, app, bill_id):
        outside = tmp_path / "receipt.txt"
        outside.write_text("Receipt for invoice NW-2291, total 684.20 USD")
        documents = (await app.companies.get("")).documents
        handle = documents.put_in(outside)
        for wrong in ("upload_" + "0" * 32, "upload_../../receipt", str(outside), handle + "/x", handle.upper()):
            error = await failed(client, "attach_file", bill_id=bill_id, upload=wrong)
            assert (error["code"], error["who"]) == ("files.no_such_upload", "assistant"), wrong
        both = await failed(client, "attach_file", bill_id=bill_id, upload=handle, path="receipt.txt")
        assert both["code"] == "bad_input"
        attached = await done(client, "attach_file", bill_id=bill_id, upload=handle)
        assert (attached["status"], attached["record"]["file_name"]) == ("posted", "receipt.txt")
        read = await done(client, "read_attachment", bill_id=bill_id)
        assert (read["text"], read["file_name"]) == ("Receipt for invoice NW-2291, total 684.20 USD", "receipt.txt")


@pytest.mark.parametrize("way", ["a link to the same bytes", "a link to other bytes", "other bytes", "a pipe"])
async def test_a_file_swapped_before_its_release_is_not_attached(way: str, home: Path, tmp_path: Path) -> None:
    async with clerk(home, tmp_path / "files") as (client, app, bill_id):
        file, outside = tmp_path / "files" / "scan.pdf", tmp_path / "outside.pdf"
        file.write_bytes(pdfs.pdf([]))
        held = await done(client, "attach_file", bill_id=bill_id, path="scan.pdf")
        assert held["status"] == "held"
        outside.write_bytes(file.read_bytes() if way == "a link to the same bytes" else pdfs.pdf(["a secret"]))
        file.unlink()
        if way == "other bytes":
            outside.rename(file)
        elif way == "a pipe":
            os.mkfifo(file)
        else:
            file.symlink_to(outside)
        await add_approver(app.store, "Dana", PASSCODE)
        company = await app.companies.get("")
        seen = await app.approvals.preview(held["proposal_id"], company)
        released = await app.approvals.approve(seen, company, by=Proof("Dana", PASSCODE), channel="terminal")
        assert released.state == "failed"
        assert (await done(client, "get_bill", bill_id=bill_id))["attachments"] == []

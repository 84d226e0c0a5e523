"""Creating customers, items, classes and departments: only as the policy allows, never a second one, never twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from rutter_ap_server.guard.policy import Policy, PolicyError, parse_policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import create_record
from rutter_ap_server.guard.writes.base import Rule
from rutter_ap_server.guard.writes.create_record import CreateRecordWrite, RecordEntryFacts
from rutter_ap_server.guard.writes.registry import shown_abilities
from rutter_ap_server.rutter.outcomes import Done, Unknown
from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.catalogue import CATALOGUE, narrowed
from rutter_ap_tools.errors import ApError, BadInput, NotFound, Refused
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.records import CREATED_KINDS, CreateRecord, FindRecords, RecordKind
from support.bench import Bench, a_bench, codes
from support.bench_client import client_at_bench, record_writes
from support.facts import a_prepared_write
from support.people import accepts, answer, declines
from support.serving import done, failed
from support.unlisted import emptying

pytestmark = pytest.mark.anyio
# Rutter documents for no platform that classes and departments can be created, so that a person is asked as well.
SURE = '[rules.severity]\n"platform.undocumented" = "off"\n'
EVERY = f"[records]\nmay_create = {list(CREATED_KINDS)}\n{SURE}"
ALLOW = f'{EVERY}[tools]\ncreate_record = "allow"\n'
# What each kind may hold beside its name, and how it is sent.
CALLS: dict[str, dict[str, Any]] = {
    "customer": {},
    "item": {"code": "PC-1", "account": "Freight"},
    "class": {"parent": "Workshop"},
    "department": {"parent": "Operations"},
}


def entry(kind: str = "class", **fields: str) -> PreparedWrite:
    empty = {"code": "", "account": "", "parent": "", "type": ""}
    return a_prepared_write(tool="create_record", fields={"kind": kind, "name": "East"} | empty | fields)


def facts(*names: str) -> RecordEntryFacts:
    return RecordEntryFacts(tuple((f"r{n}", name) for n, name in enumerate(names)))


def new(kind: str, **fields: Any) -> CreateRecord:
    return CreateRecord.model_validate({"kind": kind, "name": "Brand New"} | fields)


async def by_hand(bench: Bench, kind: str, name: str) -> str:
    """Somebody creates a record in the accounting platform; its id."""
    draft = await CreateRecordWrite().draft(entry(kind, name=name, type="service"), bench.company)
    outcome = await getattr(bench.company.rutter, RecordKind(kind).plural).create(draft, idempotency_key="by hand")
    assert isinstance(outcome, Done)
    record_id: str = outcome.record.id
    return record_id


def said(finding: Any) -> str | None:
    return f"{finding.severity.word} {finding.code}" if isinstance(finding, Finding) else None


@pytest.mark.parametrize(
    ("rule", "prepared", "seen", "policy", "expected"),
    [
        (create_record.record_not_allowed, entry(), facts(), "", "refuse record.not_allowed"),
        (create_record.record_not_allowed, entry(), facts(), EVERY, None),
        *(
            (
                create_record.record_not_allowed,
                entry(kind),
                facts(),
                f'[records]\nmay_create = ["{allowed}"]',
                None if kind == allowed else "refuse record.not_allowed",
            )
            for kind in CREATED_KINDS
            for allowed in CREATED_KINDS
        ),
        (create_record.record_exists, entry(), facts("West"), "", None),
        (create_record.record_exists, entry(), facts("EAST"), "", "refuse record.exists"),
        (create_record.record_exists, entry(code="E-1"), facts("e-1"), "", "refuse record.exists"),
        (create_record.record_exists, entry(), facts(""), "", None),
        (create_record.record_similar, entry(), facts("West", "EAST"), "", None),
        (create_record.record_similar, entry(), facts("East Ltd"), "", "ask record.similar"),
        (create_record.record_similar, entry(name="Freight"), facts("Freights"), "", "ask record.similar"),
        # The same to a reader: in Cyrillic letters, in a Greek capital, with a zero.
        (create_record.record_similar, entry(name="\u0406\u0422"), facts("IT"), "", "ask record.similar"),
        (create_record.record_similar, entry(name="\u0397R"), facts("HR"), "", "ask record.similar"),
        (create_record.record_similar, entry(name="0ps"), facts("Ops"), "", "ask record.similar"),
        (create_record.record_similar, entry(name="IT"), facts("HR"), "", None),
        (create_record.record_similar, entry(code="PC-1"), facts("Chair", "pc l"), "", "ask record.similar"),
        (create_record.record_similar, entry(code="PC-1"), facts("Chair", "PC-2"), "", None),
    ],
)
def test_a_rule_speaks_exactly_at_its_edge(
    rule: Rule[RecordEntryFacts], prepared: PreparedWrite, seen: RecordEntryFacts, policy: str, expected: str | None
) -> None:
    assert said(rule(prepared, seen, parse_policy(policy) if policy else Policy())) == expected


def test_a_policy_names_only_kinds_that_can_be_created() -> None:
    for text in ('may_create = ["vendor"]', 'may_create = "item"', 'may_create_all = ["item"]'):
        with pytest.raises(PolicyError, match=r"records\.may_create"):
            parse_policy(f"[records]\n{text}")
    assert Policy().records.may_create == []


def test_the_tool_is_a_write_of_the_ledger_toolset() -> None:
    [tool] = [one for one in CATALOGUE if one.name == "create_record"]
    assert tool in narrowed(toolsets=["ledger"])
    assert tool not in narrowed(toolsets=["ledger"], read_only=True)
    assert tool not in narrowed(toolsets=["bills"])
    assert {f"create_{kind}" for kind in CREATED_KINDS} <= set(shown_abilities())


@pytest.mark.parametrize("kind", CREATED_KINDS)
async def test_nothing_is_created_unless_the_policy_allows_its_kind(home: Path, kind: str) -> None:
    others = [one for one in CREATED_KINDS if one != kind]
    policy = f'[records]\nmay_create = {others}\n{SURE}[tools]\ncreate_record = "allow"\n'
    async with client_at_bench(home, policy=policy) as (client, bench):
        refused = await failed(client, "create_record", kind=kind, name="Brand New", **CALLS[kind])
        assert [one["code"] for one in refused["findings"]] == ["record.not_allowed"]
        for word in ("operator", "may_create", "[records]", kind):
            assert word in refused["message"]
        assert bench.wire.writes == []


@pytest.mark.parametrize("kind", CREATED_KINDS)
async def test_a_record_is_created_as_it_was_given(home: Path, kind: str) -> None:
    async with client_at_bench(home, policy=EVERY, answering=answer("accept", approve=True)) as (client, bench):
        wire = record_writes(bench)
        account = await bench.company.directory.account("Freight")
        tried = await done(client, "create_record", kind=kind, name="Brand New", dry_run=True, **CALLS[kind])
        assert (tried["status"], tried["verdict"], wire) == ("dry_run", "ask", [])
        made = await done(client, "create_record", kind=kind, name="Brand New", **CALLS[kind])
        assert (made["status"], made["record"]["kind"], made["record"]["name"]) == ("posted", kind, "Brand New")
        parent = CALLS[kind].get("parent")
        under = {"parent_id": (await bench.company.directory.one(kind, parent)).id} if parent else {}
        expected = {
            "customer": {"contact_name": "Brand New", "customer_name": "Brand New"},
            "item": {
                "name": "Brand New",
                "code": "PC-1",
                "type": "non_inventory",
                "bill_item": {"account_id": account.id},
            },
            "class": {"name": "Brand New"} | under,
            "department": {"name": "Brand New"} | under,
        }[kind]
        assert wire == [("POST", f"/accounting/{RecordKind(kind).plural}", {kind: expected})]
        found = await done(client, "find_records", kind=kind, name="Brand New")
        assert [row["id"] for row in found["records"]] == [made["record"]["id"]]


async def test_what_was_created_goes_on_the_next_bill(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        for kind, more in CALLS.items():
            assert (await bench.submit(new(kind, name=f"New {kind}", **more))).status == "posted"
        line = NewBillLine(
            amount="10.01",
            account="Freight",
            item="New item",
            customer="New customer",
            department="New department",
            **{"class": "New class"},
        )
        bill = CreateBill(
            vendor="Northwind Utilities", issue_date="2026-03-01", currency="USD", document_number="NEW-1", lines=[line]
        )
        assert (await bench.submit(bill)).status == "posted"


@pytest.mark.parametrize("kind", CREATED_KINDS)
async def test_a_second_one_of_a_name_is_refused(home: Path, kind: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert (await bench.submit(new(kind))).status == "posted"
        for name in ("Brand New", "BRAND NEW", "Brand Ｎew"):
            with pytest.raises(Refused, match="already has a record of this kind"):
                await bench.submit(new(kind, name=name))
        alike = await bench.submit(new(kind, name="Brand-New"))
        assert (alike.status, "record.similar" in codes(alike)) == ("held", True)
        assert len(bench.wire.writes) == 1


@pytest.mark.parametrize("kind", CREATED_KINDS)
@pytest.mark.parametrize("fault", ["lost after", "cut off after", "unreadable after", "error after", "lost before"])
async def test_a_lost_answer_creates_nothing_twice(home: Path, kind: str, fault: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = [fault]
        await bench.submit(new(kind))
        bench.clock.instant += timedelta(minutes=5)
        await bench.app.recover()
        [made] = await bench.proposals()
        assert made.state == "posted"
        with pytest.raises(Refused, match="already has a record of this kind"):
            await bench.submit(new(kind))
        found = await bench.backend().read(FindRecords(kind=RecordKind(kind), name="Brand New"))
        assert [row.name for row in found.records] == ["Brand New"]
        assert len(set(bench.wire.carried_out)) == 1


async def test_one_created_by_hand_meanwhile_is_not_created_again(home: Path) -> None:
    async with a_bench(home, EVERY) as bench:
        held = await bench.submit(CreateRecord(kind="class", name="Brand New"))
        await by_hand(bench, "class", "Brand New")
        await bench.approver("Ana")
        with pytest.raises(ApError):
            await bench.approve(held.proposal_id)
        found = await bench.backend().read(FindRecords(kind=RecordKind.CLASS, name="Brand New"))
        assert len(found.records) == 1


async def test_a_no_counts_for_a_name_like_it_of_its_kind(home: Path) -> None:
    async with a_bench(home, EVERY) as bench:
        assert (await bench.submit(CreateRecord(kind="class", name="Night Shift"), declines())).status == "declined"
        again = await bench.submit(CreateRecord(kind="class", name="Night-Shift"), accepts())
        assert (again.status, "proposal.declined" in codes(again)) == ("held", True)
        other = await bench.submit(CreateRecord(kind="department", name="Night Shift"), accepts())
        assert other.status == "posted"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "customer", "name": "A", "account": "Freight"}, BadInput),
        ({"kind": "class", "name": "A", "code": "A-1"}, BadInput),
        ({"kind": "item", "name": "A", "parent": "Workshop"}, BadInput),
        ({"kind": "class", "name": "A\u200b"}, BadInput),
        ({"kind": "class", "name": " A"}, BadInput),
        ({"kind": "item", "name": "A", "code": "A\n1"}, BadInput),
        ({"kind": "class", "name": "A", "parent": "No such class"}, NotFound),
        ({"kind": "item", "name": "A", "account": "No such account"}, NotFound),
        ({"kind": "item", "name": "A", "account": "Operating Checking"}, Refused),
    ],
)
async def test_what_does_not_fit_is_sent_back(home: Path, given: dict[str, Any], expected: type[ApError]) -> None:
    async with a_bench(home, ALLOW) as bench:
        with pytest.raises(expected):
            await bench.submit(CreateRecord(**given))
        assert bench.wire.writes == []


async def test_a_kind_that_a_platform_lacks_is_not_offered(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.read_faults = {}
        missing(bench, "departments")
        with pytest.raises(ApError) as told:
            await bench.submit(CreateRecord(kind="department", name="Brand New"))
        assert told.value.error_code == "platform.unsupported"
        assert bench.wire.writes == []


def missing(bench: Bench, collection: str) -> None:
    """That list is answered as Rutter answers what a platform lacks."""

    def look(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path.endswith(f"/{collection}"):
            return httpx.Response(404, json={"error_code": "NOT_FOUND"}, request=request)
        return response

    bench.wire.answers = look


@pytest.mark.parametrize("kind", CREATED_KINDS)
async def test_a_job_says_what_became_of_it(home: Path, kind: str) -> None:
    """Whatever kind of record it names; what it does not say stays unknown."""
    async with a_bench(home) as bench:
        write = CreateRecordWrite()
        draft = await write.draft(entry(kind, name="Brand New", type="service"), bench.company)
        collection = getattr(bench.company.rutter, RecordKind(kind).plural)
        made = await collection.create(draft, idempotency_key=kind, response_mode="async")
        assert isinstance(made, Done)
        assert made.job_id is not None
        told = await write.outcome_of_job(bench.company, made.job_id)
        assert isinstance(told, Done)
        assert (told.record.id, told.record.label) == (made.record.id, "Brand New")
        assert isinstance(await write.outcome_of_job(bench.company, "no-such-job"), Unknown)


@pytest.mark.parametrize("kind", CREATED_KINDS)
async def test_a_record_that_was_there_before_is_not_taken_for_it(home: Path, kind: str) -> None:
    """Platforms cut names, so that an older, shorter name could be the new one's."""
    older, longer = "Quarterly maintenance", "Quarterly maintenance of the roof"
    async with a_bench(home, ALLOW) as bench:
        first = await by_hand(bench, kind, older)
        bench.wire.faults = ["lost before"]
        lost = await bench.submit(new(kind, name=longer), accepts())
        assert lost.status == "unknown"
        await bench.app.recover()
        found = await bench.backend().read(FindRecords(kind=RecordKind(kind), name="quarterly"))
        settled = await bench.proposal(lost.proposal_id)
        assert settled.record is None or settled.record["id"] != first
        assert [row.name for row in found.records] in ([older], [older, longer])


async def test_two_of_one_name_are_not_sent_at_once(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        assert (await bench.submit(new("item"))).status == "unknown"
        await bench.submit(new("item", code="BN-2"))
        assert len(bench.wire.writes) == 1


@pytest.mark.parametrize(("kind", "state"), [("customer", "posted"), ("department", "unknown")])
async def test_only_a_list_of_its_own_kind_leaves_it_unseen(home: Path, kind: str, state: str) -> None:
    """Rutter does not document that it lists departments there, which says nothing of customers."""
    async with client_at_bench(home, policy=ALLOW, platform="QUICKBOOKS_DESKTOP") as (_, bench):
        bench.wire.answers = emptying("departments")
        bench.wire.faults = ["lost before"]
        lost = await bench.submit(new(kind), accepts())
        assert lost.status == "unknown"
        await bench.app.recover()
        assert (await bench.proposal(lost.proposal_id)).state == state

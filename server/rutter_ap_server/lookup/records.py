"""Records by part of their name: vendors, accounts, open credits."""

from __future__ import annotations

from rutter_ap_server.lookup.amounts import ledger_money
from rutter_ap_server.lookup.directory import account_name, vendor_name
from rutter_ap_server.lookup.history import open_credits
from rutter_ap_server.lookup.office import Office
from rutter_ap_tools.records import FindRecords, RecordList, RecordRow
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import MoneyShape, Named


async def find_records(office: Office, ask: FindRecords) -> RecordList:
    """Answers `find_records`: every record of the kind whose name holds the words, in the order of their names."""
    rows = await _ROWS[ask.kind](office, ask)
    wanted = fold(ask.name)
    found = sorted((row for row in rows if wanted in fold(row.name)), key=lambda row: (fold(row.name), row.id))
    return RecordList(
        company=office.company.named,
        environment=office.company.environment,
        kind=ask.kind,
        records=found[: ask.limit],
        more=len(found) > ask.limit,
    )


async def _vendors(office: Office, _ask: FindRecords) -> list[RecordRow]:
    return [
        RecordRow(
            id=v.id,
            name=clean(vendor_name(v)) or None,
            status=clean(v.status, 30) or None,
            currency=clean(", ".join(v.currency_codes), 30) or None,
        )
        for v in (await office.directory.vendors(afresh=True)).values()
    ]


async def _accounts(office: Office, ask: FindRecords) -> list[RecordRow]:
    return [
        RecordRow(
            id=a.id,
            name=clean(account_name(a)) or None,
            status=clean(a.status, 30) or None,
            account_type=clean(a.account_type, 40),
            currency=a.currency_code,
        )
        for a in (await office.directory.accounts(afresh=True)).values()
        if not ask.account_type or a.account_type == ask.account_type
    ]


async def _credits(office: Office, ask: FindRecords) -> list[RecordRow]:
    vendor_id = (await office.directory.vendor(ask.vendor)).id if ask.vendor else None
    vendors = await office.directory.vendors()
    rows = []
    for credit in await open_credits(office, vendor_id):
        vendor = vendors.get(credit.vendor_id or "")
        named = Named(id=credit.vendor_id or "", name=clean(vendor_name(vendor)) if vendor else None)
        remaining = None
        if credit.currency_code:
            remaining = MoneyShape.of(ledger_money(credit.remaining_amount, credit.currency_code, "remainder"))
        rows.append(
            RecordRow(
                id=credit.id,
                name=clean(credit.document_number, 60) or None,
                status=clean(credit.status, 30),
                vendor=named,
                remaining=remaining,
            )
        )
    return rows


_ROWS = {"vendor": _vendors, "account": _accounts, "credit": _credits}

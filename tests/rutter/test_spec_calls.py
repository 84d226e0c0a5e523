"""The calls of the client against Rutter's machine-readable spec: all of them, and no other."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property

from rutter_ap_server.rutter import CompanyClient, RutterClient
from rutter_ap_server.rutter.attachments import Attachments
from rutter_ap_server.rutter.collections import BillCreditApplications, Collections
from rutter_ap_server.rutter.connections import Connections
from rutter_ap_server.rutter.resources import Reads
from support.rutter_reference import spec
from support.scripted_upstream import Scripted, client_for

# What is not put together from the verbs of a collection, and the call that sends it.
SINGLE_CALLS = {
    ("POST", "/accounting/bill_credit_applications"): BillCreditApplications.apply,
    ("POST", "/accounting/bill_credit_applications/unapply"): BillCreditApplications.unapply,
    ("GET", "/accounting/bills/{id}/attachments"): Attachments.list,
    ("POST", "/accounting/bills/{id}/attachments"): Attachments.upload,
    ("GET", "/accounting/bills/{id}/attachments/{attachmentId}/file"): Attachments.download,
    ("GET", "/accounting/company_info"): CompanyClient.company_info,
    ("GET", "/connections"): Connections.list,
    ("POST", "/connections/create"): Connections.create,
    ("PATCH", "/connections/{id}"): Connections.rename,
    ("DELETE", "/connections/{id}"): Connections.delete,
    ("GET", "/connections/access_token"): CompanyClient.detail,
    ("POST", "/connections/access_token/invalidate"): CompanyClient.rotate_token,
    ("GET", "/connections/status"): CompanyClient.status,
    ("POST", "/connections/incremental_sync"): CompanyClient.incremental_sync,
    ("POST", "/connections/backfill"): CompanyClient.backfill,
    ("POST", "/item/public_token/exchange"): RutterClient.exchange_public_token,
    ("GET", "/jobs/{id}"): RutterClient.job,
    ("GET", "/events"): CompanyClient.events,
    ("GET", "/configs/webhooks"): RutterClient.webhook_configs,
    ("GET", "/configs/webhooks/{id}"): RutterClient.webhook_config,
}


def calls_of(collection: object) -> Iterator[tuple[str, str]]:
    """The calls a collection can send, by the verbs it has."""
    assert isinstance(collection, Reads)
    path = f"/accounting/{collection.endpoint.many}"
    yield from (("GET", path), ("GET", f"{path}/{{id}}"))
    verbs = {"create": ("POST", path), "update": ("PATCH", f"{path}/{{id}}"), "delete": ("DELETE", f"{path}/{{id}}")}
    yield from (call for verb, call in verbs.items() if hasattr(collection, verb))


def test_every_call_of_the_spec_can_be_made_and_no_other() -> None:
    documented = {
        (method.upper(), path)
        for path, operations in spec()["paths"].items()
        for method in operations
        if method in {"get", "post", "patch", "delete"}
    }
    company = client_for(Scripted()).connection("token")
    properties = [name for name, value in vars(Collections).items() if isinstance(value, cached_property)]
    collections = [getattr(company, name) for name in properties]
    ours = {call for each in collections if isinstance(each, Reads) for call in calls_of(each)}
    assert ours | set(SINGLE_CALLS) == documented
    assert not ours & set(SINGLE_CALLS)


def test_every_parameter_of_a_list_can_be_sent() -> None:
    lists = [
        operations["get"]
        for path, operations in spec()["paths"].items()
        if path.startswith("/accounting/") and path.count("/") == 2 and "get" in operations
    ]
    known = set(inspect.signature(Reads.list).parameters)
    # Older exact-match parameters go through `match`; the version is a header, the token is the company's.
    known |= {"account_type", "customer_name", "document_number", "name", "vendor_name", "access_token"}
    for each in lists:
        named = {parameter["name"] for parameter in each["parameters"] if "name" in parameter}
        assert named - known == set()

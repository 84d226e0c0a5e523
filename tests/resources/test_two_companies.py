"""Resources and completion with two companies behind one server: an address says which, and one hides no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, ResourceTemplateReference, TextResourceContents

from support.connect_flow import in_store, link_company
from support.serving import bill_numbered, done, serving

BILL = "ap://bills/{id}{?company}"


async def test_an_address_without_a_company_lists_the_choices(home: Path) -> None:
    async with serving(home) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        (first,) = await app.companies.all()
        second = await link_company(client)
        uris = [one.uri for one in (await client.list_resources()).resources]
        assert {f"ap://company/{first.id}", f"ap://company/{second}"} <= set(uris)
        with pytest.raises(MCPError) as caught:
            await client.read_resource(f"ap://bills/{bill['id']}")
        assert (caught.value.code, caught.value.data["code"]) == (INVALID_PARAMS, "company.unknown")
        assert f"Second ({second})" in caught.value.data["next_step"]
        (contents,) = (await client.read_resource(f"ap://bills/{bill['id']}?company={first.id}")).contents
        assert isinstance(contents, TextResourceContents)
        assert json.loads(contents.text)["bill"] == bill
        with pytest.raises(MCPError) as caught:
            await client.read_resource(f"ap://bills/{bill['id']}?company={second}")
        assert caught.value.data["code"] == "rutter_not_found"


async def test_completion_is_of_the_given_company_or_of_all(home: Path) -> None:
    async with serving(home) as (client, app):
        (first,) = await app.companies.all()
        second = await link_company(client)
        ref = ResourceTemplateReference(uri=BILL)
        found = {}
        for company in (first.id, "second", ""):
            answer = await client.complete(ref, {"name": "id", "value": ""}, {"company": company})
            found[company] = set(answer.completion.values)
        theirs = {one["id"] for one in (await done(client, "list_bills", company=second, limit=200))["bills"]}
        assert found["second"] == theirs
        assert found[first.id] & theirs == set()
        assert found[""] == found[first.id] | theirs
        names = await client.complete(ref, {"name": "company", "value": "sec"})
        assert names.completion.values == ["Second"]


async def test_an_unusable_company_is_still_listed_and_says_why(home: Path) -> None:
    async with serving(home) as (client, _):
        second = await link_company(client)
    # Its token was sealed with a key that is gone.
    (home / "secret.key").unlink()
    assert in_store(home, "SELECT count(*) FROM connections") == [(1,)]
    async with serving(home) as (client, _):
        uris = [one.uri for one in (await client.list_resources()).resources]
        assert f"ap://company/{second}" in uris
        (contents,) = (await client.read_resource(f"ap://company/{second}")).contents
        assert isinstance(contents, TextResourceContents)
        (row,) = json.loads(contents.text)["connections"]
        assert row["problem"]
        answer = await client.complete(ResourceTemplateReference(uri=BILL), {"name": "id", "value": "nw-"})
        assert len(answer.completion.values) == 2

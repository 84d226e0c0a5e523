"""Starting: what a server loads before it lists its tools, and that the rest comes by itself or with the first call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mcp.client import Client

from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.settings import read_settings
from rutter_ap_server.stdio import LazyApp
from rutter_ap_tools.catalogue import CATALOGUE
from support.serving import done

_LISTS = """
import sys
import anyio
from mcp.client import Client
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.stdio import LazyApp
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.catalogue import CATALOGUE

async def main():
    server = build_server(LazyApp(read_settings({"RUTTER_AP_HOME": sys.argv[1]})), CATALOGUE, instructions="")
    async with Client(server) as client:
        assert (await client.list_tools()).tools
        assert (await client.list_prompts()).prompts

anyio.run(main)
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("rutter_ap_server.")}
print(*sorted(rooms))
print(*sorted({"alembic", "httpx", "msgspec", "pypdf", "rutter_sandbox", "sqlalchemy", "tenacity"} & set(sys.modules)))
"""


def test_listing_tools_and_prompts_loads_no_app(home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LISTS, str(home)], capture_output=True, text=True, timeout=60, check=False
    )
    loaded = "installed interaction listening looking_after mcp notices secret settings stdio time_zones"
    assert ran.stdout.splitlines() == [loaded, ""], ran.stderr
    assert not home.exists()


async def test_a_call_before_any_list_loads_the_app(home: Path) -> None:
    lazy = LazyApp(read_settings({"RUTTER_AP_HOME": str(home)}))
    async with Client(build_server(lazy, CATALOGUE, instructions="")) as client:
        assert (await done(client, "list_bills", limit=1))["bills"]
    assert lazy.app is not None
    await lazy.app.aclose()


@pytest.mark.parametrize("times", [1, 2])
async def test_warming_up_makes_the_app_and_opens_nothing(times: int, home: Path) -> None:
    lazy = LazyApp(read_settings({"RUTTER_AP_HOME": str(home)}))
    for _ in range(times):
        await lazy.warm_up()
    assert lazy.app is not None
    assert await lazy.opened() is lazy.app
    assert not home.exists()
    await lazy.app.aclose()
    assert not home.exists()

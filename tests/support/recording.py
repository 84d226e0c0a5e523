"""A recorded company: the app over HTTP, with vcrpy between it and whatever answers.

Recording asks a sandbox process of its own, or Rutter itself when `RUTTER_CLIENT_ID`, `RUTTER_CLIENT_SECRET`,
`RUTTER_ACCESS_TOKEN` and `RUTTER_ENVIRONMENT` are set. Replaying asks nobody. What was recorded, where and for which
day, stands in `about.json` beside the cassettes, and the replay lives on that day.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import vcr
import yaml
from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.catalogue import CATALOGUE
from support.sandbox_server import first_token, sandbox_server, settings_of

FOLDER = Path(__file__).parents[2] / "cassettes"
HOST = "rutter.invalid"
REDACTED = "REDACTED"
_SECRET_FIELDS = re.compile(rb'"(access_token|new_access_token|public_token|secret|client_secret)"\s*:\s*"[^"]*"')
# Links that need no password. What reads them wants an address, so one that leads nowhere takes their place.
_SECRET_LINKS = re.compile(rb'"(link_url|file_url)"\s*:\s*"[^"]*"')
LINK = f"https://{HOST}/{REDACTED}"
_LONG_CHARACTERS = 200
_NOW_MARK = f"-{datetime.now(UTC):%y%m%d%H%M%S}"
_KEPT_REQUEST_HEADERS = {"accept", "content-type", "x-rutter-version"}
_KEPT_RESPONSE_HEADERS = {"content-type", "x-rutter-request-id", "x-rutter-job-id", "x-rutter-sandbox", "retry-after"}


def about() -> dict[str, str]:
    """Where and for which day the cassettes were recorded, and what marks the records they made."""
    read: dict[str, str] = json.loads((FOLDER / "about.json").read_text(encoding="utf-8"))
    return read


def marked(name: str) -> str:
    """A number or name of this recording's own: a company that was recorded from before has none like it yet."""
    return name + about()["mark"]


@asynccontextmanager
async def recorded(
    name: str, home: Path, *, record: bool, outside: Mapping[str, str]
) -> AsyncIterator[tuple[Client, App]]:
    """A client in front of an app whose Rutter is the cassette of that name."""
    files = home.parent / "files"
    files.mkdir()
    with _answering(record=record, outside=outside) as (environ, today):
        settings = read_settings({"RUTTER_AP_HOME": str(home), "RUTTER_AP_FILES": str(files)} | environ)
        app = App(settings, FixedClock(datetime.combine(today, datetime.min.time(), tzinfo=UTC).replace(hour=12)))
        with _cassette(name, record=record):
            try:
                async with Client(build_server(app, CATALOGUE, instructions="")) as client:
                    yield client, app
            finally:
                await app.aclose()


@contextmanager
def _answering(*, record: bool, outside: Mapping[str, str]) -> Iterator[tuple[dict[str, str], date]]:
    if not record:
        today = date.fromisoformat(about()["today"])
        replayed = {"base_url": "http://127.0.0.1:9/versioned", "client_id": "replayed", "client_secret": "replayed"}
        yield settings_of(replayed, "replayed"), today
    elif outside.get("RUTTER_CLIENT_ID"):
        today = datetime.now(UTC).date()
        _write_about(f"Rutter, {outside.get('RUTTER_ENVIRONMENT', '')}", today, _NOW_MARK)
        yield dict(outside), today
    else:
        today = date(2026, 11, 20)
        _write_about("the embedded sandbox, over HTTP", today, "")
        with sandbox_server(today=today) as announced:
            yield settings_of(announced, first_token(announced)), today


class _Dumper(yaml.CSafeDumper):
    """YAML in which a long text that occurs again is a reference to where it stands first."""

    def ignore_aliases(self, data: Any) -> bool:
        return bool(super().ignore_aliases(data)) and not (isinstance(data, str) and len(data) > _LONG_CHARACTERS)


class EachBodyOnce:
    """vcrpy's YAML with every answer written once: a list that is read ten times is not ten times in the repository."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        """The cassette as text."""
        first: dict[str, str] = {}
        for interaction in cassette["interactions"]:
            body = interaction["response"]["body"]
            if isinstance(body.get("string"), str):
                body["string"] = first.setdefault(body["string"], body["string"])
        text: str = yaml.dump(cassette, Dumper=_Dumper, width=120)
        return text

    @staticmethod
    def deserialize(text: str) -> Any:
        """The cassette that was written."""
        return yaml.load(text, Loader=yaml.CSafeLoader)


def recorder(*, record: bool) -> vcr.VCR:
    """How every cassette is recorded and matched."""
    made = vcr.VCR(
        serializer="each body once",
        record_mode="all" if record else "none",
        # The default leaves the body out, and would answer a payment of another amount with this one's success.
        match_on=("method", "host", "path", "query", "body"),
        filter_query_parameters=[("access_token", REDACTED)],
        before_record_request=_scrub_request,
        before_record_response=_scrub_response,
        decode_compressed_response=True,
        skip_patchers=("httpx2",),
    )
    made.register_serializer("each body once", EachBodyOnce)
    return made


@contextmanager
def _cassette(name: str, *, record: bool) -> Iterator[None]:
    path = FOLDER / f"{name}.yaml"
    if record:
        path.unlink(missing_ok=True)
    with recorder(record=record).use_cassette(str(path)) as cassette:
        yield
        assert record or cassette.all_played, "the cassette holds requests that are no longer made"


def _scrub_request(request: Any) -> Any:
    """Takes out who asked and where: what stays is what was asked."""
    parts = urlsplit(request.uri)
    path = parts.path if parts.path.startswith("/versioned") else f"/versioned{parts.path}"
    request.uri = urlunsplit(("https", HOST, path, parts.query, ""))
    request.headers = {k: v for k, v in request.headers.items() if k.lower() in _KEPT_REQUEST_HEADERS}
    return request


def _scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """Takes tokens and links that need no password out of bodies, and every header that is not needed."""
    response["headers"] = {k: v for k, v in response["headers"].items() if k.lower() in _KEPT_RESPONSE_HEADERS}
    body = response["body"]["string"]
    raw = body if isinstance(body, bytes) else body.encode()
    without_tokens = _SECRET_FIELDS.sub(rb'"\1":"REDACTED"', raw)
    response["body"]["string"] = _SECRET_LINKS.sub(rb'"\1":"' + LINK.encode() + b'"', without_tokens)
    return response


def _write_about(source: str, today: date, mark: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({"source": source, "today": today.isoformat(), "mark": mark}, indent=2)
    (FOLDER / "about.json").write_text(text + "\n", encoding="utf-8")

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
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import vcr
import yaml
from mcp.client import Client

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.serving import ServingApp
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
KEY_HEADER = "idempotency-key"
_KEPT_REQUEST_HEADERS = {"accept", "content-type", "x-rutter-version", KEY_HEADER}
REQUEST_ID_HEADER = "x-rutter-request-id"
_KEPT_RESPONSE_HEADERS = {"content-type", REQUEST_ID_HEADER, "x-rutter-job-id", "x-rutter-sandbox", "retry-after"}


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
) -> AsyncIterator[tuple[Client, ServingApp]]:
    """A client in front of an app whose Rutter is the cassette of that name."""
    files = home.parent / "files"
    files.mkdir()
    with _answering(record=record, outside=outside) as (environ, today):
        settings = read_settings({"RUTTER_AP_HOME": str(home), "RUTTER_AP_FILES": str(files)} | environ)
        app = ServingApp(
            settings, FixedClock(datetime.combine(today, datetime.min.time(), tzinfo=UTC).replace(hour=12))
        )
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


class KeyNames:
    """Stable names for idempotency keys, which are random: the first key seen is key-1, the next one key-2."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, key: str) -> str:
        """The name of a key; the same one whenever the key is seen again."""
        return self._names.setdefault(key, f"key-{len(self._names) + 1}")

    def match(self, asked: Any, recorded: Any) -> None:
        """Whether a request has the key that was recorded: its name is that of the cassette, or neither has one."""
        key = asked.headers.get(KEY_HEADER)
        assert (None if key is None else self.name(key)) == recorded.headers.get(KEY_HEADER)


class _Dumper(yaml.CSafeDumper):
    """YAML in which a long text that occurs again is a reference to where it stands first."""

    def ignore_aliases(self, data: Any) -> bool:
        return bool(super().ignore_aliases(data)) and not (isinstance(data, str) and len(data) > _LONG_CHARACTERS)


class EachBodyOnce:
    """vcrpy's YAML with every answer written once: a list that is read ten times is not ten times in the repository.

    A recording does not differ from the last one: keys are written by their names, and reads in the order of their
    addresses.
    """

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        """The cassette as text."""
        first: dict[str, str] = {}
        keys = KeyNames()
        cassette["interactions"] = _ordered(cassette["interactions"])
        for interaction in cassette["interactions"]:
            headers = interaction["request"]["headers"]
            if KEY_HEADER in headers:
                headers[KEY_HEADER] = [keys.name(key) for key in headers[KEY_HEADER]]
            body = interaction["response"]["body"]
            if isinstance(body.get("string"), str):
                body["string"] = first.setdefault(body["string"], body["string"])
        text: str = yaml.dump(cassette, Dumper=_Dumper, width=120)
        return text

    @staticmethod
    def deserialize(text: str) -> Any:
        """The cassette that was written."""
        return yaml.load(text, Loader=yaml.CSafeLoader)


def _ordered(interactions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reads that are made side by side are answered in any order; between two writes that order means nothing.

    Their request ids are numbered as they arrive, and are left out.
    """
    ordered: list[dict[str, Any]] = []
    for is_read, group in groupby(interactions, lambda one: bool(one["request"]["method"] == "GET")):
        if is_read:
            for one in sorted(group, key=lambda one: str(one["request"]["uri"])):
                one["response"]["headers"].pop(REQUEST_ID_HEADER, None)
                ordered.append(one)
        else:
            ordered += group
    return ordered


def recorder(*, record: bool) -> vcr.VCR:
    """How a cassette is recorded and matched. One for each cassette: it remembers the keys it has seen."""
    made = vcr.VCR(
        serializer="each body once",
        record_mode="all" if record else "none",
        # The default leaves the body out, and would answer a payment of another amount with this one's success; and
        # without the key, a write that is sent without one, or under that of another write, would be answered too.
        match_on=("method", "host", "path", "query", "body", "idempotency key"),
        filter_query_parameters=[("access_token", REDACTED)],
        before_record_request=_scrub_request,
        before_record_response=_scrub_response,
        decode_compressed_response=True,
        skip_patchers=("httpx2",),
    )
    made.register_serializer("each body once", EachBodyOnce)
    made.register_matcher("idempotency key", KeyNames().match)
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
    request.headers = {k.lower(): v for k, v in request.headers.items() if k.lower() in _KEPT_REQUEST_HEADERS}
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

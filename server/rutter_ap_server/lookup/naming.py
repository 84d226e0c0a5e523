"""Names for showing: a kind of record is looked up once, when it first occurs; what cannot be named keeps its id."""

from __future__ import annotations

from typing import Any

from rutter_ap_server.lookup.directory import Directory
from rutter_ap_server.lookup.nouns import NOUNS
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Named

_CHARACTERS_MAX = 80


class Names:
    """The names of one answer's records. Asking never fails: an id alone is still worth showing."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._kinds: dict[str, dict[str, Any]] = {}

    async def named(self, kind: str, record_id: str) -> Named:
        """A record by its id, with its name where that is known; `kind` is one of `NOUNS`."""
        if kind not in self._kinds:
            self._kinds[kind] = await self._read(kind)
        record = self._kinds[kind].get(record_id)
        name = clean(NOUNS[kind].name(record), _CHARACTERS_MAX) if record is not None else ""
        return Named(id=record_id, name=name or None)

    async def _read(self, kind: str) -> dict[str, Any]:
        try:
            return (await self._directory.shelf(kind)).by_id
        except ApError:
            return {}

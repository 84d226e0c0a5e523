"""Links into the accounting platform: shown only if nothing in them could lead or trick a reader elsewhere."""

from __future__ import annotations

import re

_CHARACTERS_MAX = 1000
# A host by its name, no user before it, and characters that mean nothing to Markdown, HTML or a terminal.
_LINK = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+(?::\d{1,5})?"
    r"(?:[/?#][A-Za-z0-9._~/?#&=:;,@%+!$-]*)?"
)


def safe_link(text: str | None) -> str | None:
    """The link as it is; None if it is no plain http or https link, for it is never mended."""
    if not text or len(text) > _CHARACTERS_MAX:
        return None
    scheme_and_host, slash, rest = text.partition("://")
    host, *_ = re.split(r"[/?#]", rest, maxsplit=1)
    plain = f"{scheme_and_host.lower()}{slash}{host.lower()}{rest[len(host) :]}"
    return text if _LINK.fullmatch(plain) else None

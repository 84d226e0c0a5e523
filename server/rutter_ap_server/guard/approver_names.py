"""Which names an approver may have: plain ones that nobody can take for another name or for this program itself."""

from __future__ import annotations

import re

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.names import NAME_CHARACTERS_MAX, is_mixed, is_rare, look_of
from rutter_ap_tools.text import clean

# What the audit chain and the proposals call those who act and are no approver, and where people act.
_RESERVED = (
    *("chat", "policy", "guard", "terminal", "operator", "assistant", "desk", "run", "server", "system", "rutter"),
    *("rutter-ap", "approver", "approvers", "a person at the terminal", "admin", "administrator", "root", "nobody"),
    "card",
)
_RESERVED_LOOKS = frozenset(look_of(name) for name in _RESERVED)


def check_name(name: str) -> None:
    """Raises `BadInput` for a name that hides something, is no name, or means something else to this program."""
    if not name or clean(name, NAME_CHARACTERS_MAX) != name or not any(c.isalpha() for c in name):
        raise BadInput(
            f"an approver's name must be plain, visible text of at most {NAME_CHARACTERS_MAX} characters",
            next_step="Use the person's name as they write it. Nothing was changed.",
        )
    # What stands in parentheses is a remark: "assistant (Dana)" is how a preparer is called.
    if look_of(name) in _RESERVED_LOOKS or look_of(re.sub(r"\(.*", "", name)) in _RESERVED_LOOKS:
        raise BadInput(
            "an approver cannot have this name, because this program uses it for something else",
            code="approver.name_reserved",
            next_step="Use the person's full name. Nothing was changed.",
        )
    if is_rare(name):
        raise BadInput(
            "a letter of this name belongs to a script that is not in everyday use and could be taken for another one",
            code="approver.name_script",
            next_step="Write the name in another script. Nothing was changed.",
        )
    if is_mixed(name):
        raise BadInput(
            "a word of this name mixes letters of different alphabets",
            code="approver.name_mixed",
            next_step="Write each word of the name in one alphabet. Nothing was changed.",
        )

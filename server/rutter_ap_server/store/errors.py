"""What can go wrong with the store. The database's own error text is left out: it may contain stored values."""

from __future__ import annotations

from rutter_ap_tools.errors import OperatorError

NOT_OUR_FILE = "the store's file is not a database of this program, or is damaged"
NOT_OUR_DATABASE = "the database in RUTTER_AP_DATABASE_URL holds tables of another program, or is damaged"
UNREACHABLE = "the database in RUTTER_AP_DATABASE_URL cannot be reached or refused the connection"


class StoreError(OperatorError):
    """The store cannot be opened or written; no write leaves this machine without it."""

    code = "store"
    default_next_step = "Run `rutter-ap doctor`; nothing was sent."


class Tampered(StoreError):
    """Something in the store was changed by anything but this program."""

    code = "store.tampered"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} in the store is not what the audit chain says it is: it was changed by hand",
            next_step="Nothing was sent. The operator runs `rutter-ap freeze` and `rutter-ap audit verify`, which says "
            "what differs, and declines it or restores the store from a backup.",
        )


def from_elsewhere() -> StoreError:
    """The error for a store whose stamp names a revision this program does not know."""
    return StoreError(
        "the store was created by another version of this program",
        next_step="Run `pip install --upgrade rutter-ap` and try again, or give this version an empty RUTTER_AP_HOME "
        "or another RUTTER_AP_DATABASE_URL. Nothing was changed.",
    )

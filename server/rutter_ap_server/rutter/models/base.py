"""What every object read from Rutter and every object sent to it has in common.

Objects read are immutable, tolerate unknown fields and enum values, and keep the bytes they were decoded from. Objects
sent hold only what was set. Amounts are `Decimal` in both directions and never pass through a float. These are msgspec
structs, not pydantic models, because a walk over all bills decodes a hundred thousand of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from inspect import get_annotations
from operator import attrgetter
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from rutter_ap_tools.text import clean

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with a time zone. Rutter sends ISO 8601 in UTC; a date alone is read as midnight UTC.

The offset it was written with is kept, so its `date()` is the day the ledger wrote: midnight elsewhere is still that
day.
"""

When = datetime | date
"""A moment on its way to Rutter. A date alone is sent as midnight UTC; a datetime must be aware."""

_T = TypeVar("_T")
_EXPONENT_MAX = 24


def _exact(number: str) -> Decimal | str:
    try:
        return Decimal(number)
    except ArithmeticError:
        # Too large even for a Decimal: no amount, but exact all the same.
        return number


_exact_json = msgspec.json.Decoder(float_hook=_exact)


def given(value: _T | None) -> _T | UnsetType:
    """The value, or UNSET for None."""
    return UNSET if value is None else value


def decode_exact(raw: bytes) -> Any:
    """Untyped JSON whose fractions are `Decimal`."""
    return _exact_json.decode(raw)


def is_sane(amount: Decimal) -> bool:
    """Whether a number can be an amount: finite, and within 24 digits of the decimal point."""
    return amount.is_finite() and -_EXPONENT_MAX <= amount.adjusted() <= _EXPONENT_MAX


def _names_of_amounts(kind: type) -> list[str]:
    # Annotations are strings here, and only the type's name is needed.
    annotations = {name: str(hint) for ancestor in kind.__mro__ for name, hint in get_annotations(ancestor).items()}
    return [name for name, hint in annotations.items() if "Decimal" in hint and "ClassVar" not in hint]


def _amount_check(kind: type) -> Callable[[object], None] | None:
    names = _names_of_amounts(kind)
    if not names:
        return None
    # With at least two names, attrgetter returns a tuple.
    amounts_of: Callable[[object], tuple[Decimal | None, ...]] = attrgetter(*names, names[0])

    def check(self: object) -> None:
        # `is_sane`, written out: this runs a dozen times for every bill of a walk.
        for amount in amounts_of(self):
            if amount is not None and not (amount.is_finite() and -_EXPONENT_MAX <= amount.adjusted() <= _EXPONENT_MAX):
                raise ValueError("an amount is not a finite number of sane size")

    return check


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A piece of an object as read: a line, a link, an address. Refuses NaN, infinities and absurd exponents.

    Nothing here can refer to itself, so the garbage collector need not track it.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check = _amount_check(cls)
        if check is not None:
            cls.__post_init__ = check  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        # Untrusted text, links that need no password: nothing of an object belongs in a log line.
        return f"{type(self).__name__}(…)"


class Record(Part, frozen=True, kw_only=True, dict=True, gc=True):
    """An object as read. Only its id is in its repr."""

    # The fields that name the object to a person, and those that hold its code or number; the first filled one counts.
    NAMED_BY: ClassVar[tuple[str, ...]] = ("name",)
    CODED_BY: ClassVar[tuple[str, ...]] = ()
    # By what else a person may know it.
    ALSO_NAMED_BY: ClassVar[tuple[str, ...]] = ()

    id: str

    @property
    def label(self) -> str:
        """What a person calls it, as the ledger has it; empty where it has no name."""
        return self._first(self.NAMED_BY)

    @property
    def label_code(self) -> str:
        """Its code or number in the ledger; empty where it has none."""
        return self._first(self.CODED_BY)

    @property
    def names(self) -> tuple[str, ...]:
        """All that a person may call it, its label first and its code last."""
        others = (self._first((name,)) for name in self.ALSO_NAMED_BY)
        return tuple(dict.fromkeys(text for text in (self.label, *others, self.label_code) if text))

    def _first(self, names: tuple[str, ...]) -> str:
        # A name of blanks and characters that nobody sees is none.
        return next((text for name in names if (text := getattr(self, name, None)) and clean(text)), "")

    @property
    def raw(self) -> bytes | None:
        """The JSON this object was decoded from, byte for byte; None for an object built by hand."""
        raw: bytes | None = self.__dict__.get("raw_json")
        return raw

    @property
    def trouble(self) -> str:
        """Which of its fields cannot be read, in words; empty for an object as documented."""
        words: str = self.__dict__.get("unread", "")
        return words

    @property
    def extra(self) -> dict[str, Any]:
        """The fields Rutter sent that this class does not name, decoded exactly. Decoded on every use.

        Empty where they cannot be read.
        """
        sent: Any = None
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            sent = decode_exact(self.raw or b"{}")
        known = set(type(self).__struct_encode_fields__)
        return {key: value for key, value in sent.items() if key not in known} if isinstance(sent, dict) else {}

    @property
    def platform_data(self) -> Any:
        """The accounting platform's own object; present only when the read expanded it."""
        return self.extra.get("platform_data")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"


class Synced(Record, frozen=True, kw_only=True):
    """A record of the books. `updated_at` is the platform's timestamp, `last_synced_at` Rutter's."""

    platform_id: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    last_synced_at: Instant | None = None


class Linked(Synced, frozen=True, kw_only=True):
    """A record of the books that also has a page in the accounting platform."""

    platform_url: str | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An object to send. Fields left out are not sent; None is refused, because Rutter rejects a null."""


class Ref(Part, frozen=True, kw_only=True):
    """A link to another object by its Rutter id."""

    id: str | None = None


class Allocation(Part, frozen=True, kw_only=True):
    """How much of one document settles another, in the currency of the document that holds the link."""

    id: str | None = None
    allocated_amount: Decimal
    allocated_date: Instant | None = None


class JournalLink(Part, frozen=True, kw_only=True):
    """A journal entry that offsets a document. QuickBooks Online only."""

    journal_id: str | None = None
    allocated_at: Instant | None = None
    amount: Decimal | None = None


class Address(Part, frozen=True, kw_only=True):
    """An address as read. `type`: billing, shipping, po_box, ship_from, unknown, STREET, POBOX."""

    type: str | None = None
    address1: str | None = None
    address2: str | None = None
    address3: str | None = None
    city: str | None = None
    country: str | None = None
    postal_code: str | None = None
    region: str | None = None


class AddressDraft(Draft, frozen=True, kw_only=True):
    """An address to send; only `type` is required."""

    type: str
    address1: str | UnsetType = UNSET
    address2: str | UnsetType = UNSET
    address3: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET
    region: str | UnsetType = UNSET

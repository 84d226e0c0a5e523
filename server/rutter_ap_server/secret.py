"""Secrets that cannot be printed by accident: whatever shows one by mistake shows a mask."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

MASK = "********"


@runtime_checkable
class Revealing(Protocol):
    """Anything that hides a text until asked: our `Secret`, or one of the caller's own."""

    def reveal(self) -> str: ...


class Secret:
    """A text whose repr, str and format are a mask. `reveal()` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def of(cls, value: str | Revealing) -> Secret:
        """A secret from a plain text or from another hiding place."""
        if isinstance(value, Secret):
            return value
        return cls(value if isinstance(value, str) else value.reveal())

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not copied into other processes")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

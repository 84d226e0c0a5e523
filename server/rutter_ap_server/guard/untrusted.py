"""Checks text from outside: does it try to give instructions, and does it mention what is about to be paid or used?

It uses patterns, not a model: each can be explained in one sentence, and an operator can see why it matched. They only
ever add a check by a person and never remove one, so a missed case is no worse than having no check.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean, quote

TEXT_CHARACTERS_MAX = 20_000
# A text with more values than this is a table of figures that would fill the store.
KEYS_MAX = 1000
# A payment's texts are checked when it is proposed, released and sent, with the same result each time.
_TEXTS_KEPT_MAX = 256
_NAME_CHARACTERS_MIN = 6
_DIGITS_MIN = 6
_WHO = r"(?:ai|a\.i\.|llm|language model|chatgpt|gpt|claude|copilot|gemini)"
_RULES = r"(?:instructions?|rules?|prompts?|guidelines?|polic(?:y|ies)|limits?|checks?|safeguards?)"
_PEOPLE = r"(?:any(?:one|body)|the (?:user|person|human|owner|operator|manager|approver)|a (?:human|person)|your user)"

# What the text does, as a phrase for people, and the pattern that recognises it in folded text.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "addresses an AI assistant",
        re.compile(
            rf"\b{_WHO}[ -]?(?:assistants?|agents?|models?|systems?|bots?)\b(?=:| (?:must|should|please|only)\b)"
            rf"|\bdear {_WHO}\b"
            r"|\b(?:note|message|instructions?|attention) (?:to|for) (?:all |any |the |your )*"
            rf"(?:{_WHO}\b|assistants?\b|language models?\b|bots?\b)"
            r"|\byou are (?:now )?(?:an? |the )?(?:ai|assistant|language model|agent)\b"
            r"|<\|?/?(?:system|im_start|im_end|assistant|tool_call)\b|\[/?inst\]|\bsystem prompt\b"
        ),
    ),
    (
        "tells the reader to ignore instructions",
        re.compile(
            r"\b(?:ignore|disregard|forget|override|bypass)\b"
            rf"(?: (?:all|any|the|your|of|my|previous|prior|above|earlier|other|safety|these|those))* {_RULES}\b"
        ),
    ),
    (
        "asks to keep people out of the decision",
        re.compile(
            rf"\bwithout (?:asking|telling|notifying|informing|confirming with|checking with|consulting) {_PEOPLE}\b"
            rf"|\b(?:do not|don't|never) (?:tell|ask|inform|notify|alert|involve|wait for) {_PEOPLE}\b"
            r"|\b(?:do not|don't|never) (?:mention|reveal|disclose|report|repeat) "
            r"(?:this|these|the above) (?:note|message|instructions?|text|memo)\b"
            r"|\bno (?:human |further )?(?:approval|confirmation) (?:is )?(?:needed|required|necessary)\b"
        ),
    ),
    (
        "claims that bank details have changed",
        re.compile(
            r"\b(?:bank(?:ing)?|account|payment|remittance|wire|beneficiary) "
            r"(?:details|information|instructions|number) "
            r"(?:(?:has|have) (?:been )?|were |was )(?:changed|updated|replaced)\b"
            r"|\b(?:new|changed|updated|different) (?:bank(?:ing)?|beneficiary|remittance|wire) "
            r"(?:account|details|information|instructions)\b"
        ),
    ),
    (
        "names a tool of this server",
        re.compile(rf"\b(?:{'|'.join(tool.name for tool in CATALOGUE)})\b"),
    ),
)
_NUMBER = re.compile(r"\d[\d.,'’]*\d|\d")
# Digits in groups, or an IBAN: country, check digits and bank, then groups that each contain a digit.
_ACCOUNT_NUMBER = re.compile(
    r"(?<![\w.,])(?:\d(?:[ -]?\d){5,33}|[a-z]{2}\d{2} ?[a-z0-9]{4}(?: ?(?=[a-z]{0,3}\d)[a-z0-9]{4}){1,6}"
    r"(?: ?[a-z0-9]{1,3})?)(?!\w)"
)
_PATH = re.compile(r"[\w.~/\\-]*[\w-]\.(?:pdf|png|jpe?g|csv|txt)\b|(?:~|\.{0,2})/[\w./-]+")


@dataclass(frozen=True, slots=True)
class Argument:
    """A value the assistant chose for a write: how to name it to people, and the keys or name to look for in text."""

    what: str
    shown: str
    keys: frozenset[str] = frozenset()
    name: str = ""


def amount_argument(money: Money) -> Argument:
    """An amount that does not follow from the ledger."""
    return Argument("amount", str(money), frozenset({_amount_key(money.amount)}))


def account_argument(name: str, number: str = "") -> Argument:
    """An account, by its name and, if it has one, its number."""
    keys = frozenset({f"number:{_squeezed(number)}"}) if len(_squeezed(number)) >= _DIGITS_MIN else frozenset()
    return Argument("account", quote(name or number, 60), keys, folded(name))


def path_argument(path: str, file_name: str) -> Argument:
    """A file, by its path and name."""
    keys = {f"path:{folded(path)}", f"path:{folded(file_name)}"} - {"path:"}
    return Argument("file", quote(file_name, 80), frozenset(keys))


@lru_cache(_TEXTS_KEPT_MAX)
def suspicion(text: str) -> str | None:
    """What makes the text look like an instruction, quoting the words; None for ordinary text."""
    if _hides(text[:TEXT_CHARACTERS_MAX]):
        return f"contains invisible characters: {quote(text, 60)}"
    plain = folded(text)
    for does, pattern in _PATTERNS:
        found = pattern.search(plain)
        if found is not None:
            return f"{does}: {quote(found.group(), 80)}"
    return None


def names(text: str, argument: Argument) -> bool:
    """Whether the text mentions that argument."""
    return bool(argument.keys & keys_in(text)) or _names_account(folded(text), argument.name)


@lru_cache(_TEXTS_KEPT_MAX)
def keys_in(text: str) -> frozenset[str]:
    """The amounts, account numbers and files a text mentions, each in one normal form."""
    plain = folded(text)
    amounts = {_amount_key(amount) for token in _NUMBER.findall(plain) for amount in _amounts(token)}
    numbers = {f"number:{_squeezed(token)}" for token in _ACCOUNT_NUMBER.findall(plain)}
    paths = {f"path:{name}" for token in _PATH.findall(plain) for name in (token, _last(token)) if name}
    return frozenset(amounts | numbers | paths)


def worth_remembering(texts: Iterable[tuple[str, str]]) -> tuple[tuple[str, frozenset[str]], ...]:
    """The values in these texts that could steer a later write; bare small numbers are left out."""
    kept = []
    for where, text in texts:
        keys = sorted(key for key in keys_in(text) if not re.fullmatch(r"amount:\d{1,3}", key))
        if keys:
            kept.append((where, frozenset(keys[:KEYS_MAX])))
    return tuple(kept)


@lru_cache(_TEXTS_KEPT_MAX)
def folded(text: str | None) -> str:
    """Text prepared for searching: visible characters on one line, without case or compatibility forms."""
    return unicodedata.normalize("NFKC", clean(text, TEXT_CHARACTERS_MAX)).casefold()


def _names_account(plain: str, name: str) -> bool:
    """Whether text mentions an account: by a name of several words, or as an account; "checking" alone does not."""
    if len(name) < _NAME_CHARACTERS_MIN:
        return False
    if " " in name:
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", plain) is not None
    as_account = rf"(?:from|to|account|acct\.?)\W+(?:the |our |your |my )?{re.escape(name)}(?!\w)|{re.escape(name)} acc"
    return re.search(rf"(?<!\w)(?:{as_account})", plain) is not None


def _amounts(token: str) -> list[Decimal]:
    """The possible values of a number: a separator may mark thousands or decimals, depending on the writer."""
    readings = []
    for point, others in ((".", ",'’"), (",", ".'’")):
        text = token
        for other in others:
            text = text.replace(other, "")
        text = text.replace(point, ".")
        if text.count(".") <= 1 and len(text) <= 24:
            readings.append(Decimal(text))
    return readings


def _last(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _amount_key(amount: Decimal) -> str:
    return f"amount:{amount.normalize():f}"


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", folded(text))


def _hides(text: str) -> bool:
    # Tag characters can hide whole sentences; the two overrides display text in a different order than it is read.
    return any(0xE0000 <= ord(c) <= 0xE007F or c in "\u202d\u202e" for c in text)

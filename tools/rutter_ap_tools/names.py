"""Names of people and companies, compared: which spellings are one name, and which a reader could confuse."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise

from rutter_ap_tools.text import clean

NAME_CHARACTERS_MAX = 100

# Folding a character can yield one that folds again; three rounds are enough for all of today's Unicode.
_ROUNDS_MAX = 8
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK")

# The scripts in everyday use (UAX #31, recommended scripts), by the first word of their letters' names, with the marks
# that several of them share. Others have letters drawn like Latin ones, more than could be listed, and hardly a reader
# who could tell.
_SCRIPTS = """
ARABIC ARMENIAN BENGALI BOPOMOFO CJK CYRILLIC DEVANAGARI ETHIOPIC GEORGIAN GREEK GUJARATI GURMUKHI HANGUL HEBREW
HIRAGANA IDEOGRAPHIC KANNADA KATAKANA KHMER LAO LATIN MALAYALAM MODIFIER MYANMAR ORIYA SINHALA TAMIL TELUGU THAANA THAI
TIBETAN
"""
_IN_USE = frozenset(_SCRIPTS.split())

# Letters of other alphabets, and the Latin letter each is drawn like. Upper and lower case look unlike each other
# (the Greek Η is an H, but η is an n), so both stand here.
_DRAWN_LIKE = (
    # Cyrillic
    ("АВЕЅІЈКМНОРСТУХҺԌԚԜЗЬ", "ABESIJKMHOPCTYXHGQWEB"),
    ("авеѕіјкмнорстухһԍԛԝзьӏԁгпѵү", "abesijkmhopctyxhgqwebldrnvy"),
    # Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϺϜ", "ABEZHIKMNOPTYXCMF"),
    ("αβγεηικνορστυχϲϳωμ", "abyenikvopotuxcjwu"),
    # Armenian
    ("ՍՕԼՏՌՈ", "UOLSNN"),
    ("սօհցզյոլքտ", "uohgqjnlpm"),
    # Cherokee; its small letters fold to these
    ("ᎠᎡᎢᎪᎫᎬᎳᎷᎻᎽᏀᏃᏎᏏᏒᏔᏚᏙᏞᏟᏢᏦᏧᏴᏻᎥᎩᎯ", "DRTAJEWMHYGZ4bRWSVLCPKdBGiyr"),
    # Lisu
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPDTGKJCZFMNLSRVHWXYAEIOU"),
    # Coptic
    ("ⲀⲂⲈⲎⲒⲔⲘⲚⲞⲢⲤⲦⲨⲬ", "ABEHIKMNOPCTYX"),
    ("ⲁⲃⲉⲏⲓⲕⲙⲛⲟⲣⲥⲧⲩⲭ", "abehikmnopctyx"),
    # Latin letters and signs that are drawn like others, and digits of other scripts that look like an O
    ("ıɩƖɑɡƽǀǃ|!$٥۵", "iiIagsllllsoo"),
)
_LOOKS = {ord(odd): plain for odds, plains in _DRAWN_LIKE for odd, plain in zip(odds, plains, strict=True)}
# What a reader confuses whatever the alphabet. Applied to small letters, because names are compared without case, and
# in an order in which no replacement undoes another.
_READ_ALIKE = (("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("vv", "w"), ("rn", "m"))

# Legal forms and filler words: names that differ only in these are the same.
_FORMS = """
ab ag and aps as asa bhd bv bvba co company cooperative corp corporation cv doo eirl ek eurl gbr gmbh hf incorporated
inc jsc kft kg kgaa kk lda limited llc llp lp ltd ltda mbh nv ohg ooo ou oy oyj pc plc pllc private proprietary pte pty
pvt sa sapi sarl sas sasu sdn se sl slu snc spa spzoo srl sro tbk the ug und zoo ао ип оао ооо пао тов зао
"""
_ABBREVIATION = re.compile(r"(?<!\w)\w(?:[./]\w)+(?!\w)")
# Forms of several words, and those that are written without a space before them.
_LONGER_FORMS = re.compile(
    r"\bsp\.? ?z ?o\.? ?o\b|\bs\. r\. ?o\b|股份有限公司|有限责任公司|有限公司|株式会社|有限会社|주식회사|유한회사"
)


def canonical_name(name: str | None) -> str:
    """The name without case, width, compatibility forms, invisible characters, accents and repeated spaces.

    Two spellings with the same canonical name are one name. The canonical name of a canonical name is itself.
    """
    return _steady(clean(name, 4 * NAME_CHARACTERS_MAX), _folded)


def look_of(name: str | None) -> str:
    """What the name looks like to a reader: two names with one look can be taken for each other.

    Look-alike letters of other alphabets, 0 and O, 1 and l and I, rn and m are the same here, and spaces and
    punctuation do not count.
    """
    return read_alike("".join(c for c in plain_letters(name) if c.isalnum()))


def plain_letters(text: str | None) -> str:
    """The text in small letters, each in place of all that are drawn like it, with its punctuation."""
    return _steady(clean(text, 4 * NAME_CHARACTERS_MAX), _drawn)


def read_alike(text: str) -> str:
    """Plain letters and digits, one in place of all that a reader confuses whatever the alphabet: 0 and o, 1 and l."""
    for seen, read in _READ_ALIKE:
        text = text.replace(seen, read)
    return text


def company_words(name: str | None) -> list[str]:
    """The words of a company's name, without legal forms; all of them if there are no others."""
    text = _LONGER_FORMS.sub(" ", canonical_name(name))
    text = _ABBREVIATION.sub(lambda found: re.sub(r"[./]", "", found[0]), text)
    words: list[str] = re.findall(r"[^\W_]+", text)
    return [word for word in words if word not in _forms() and look_of(word) not in _forms()] or words


def payee_look(name: str | None) -> str:
    """What a company's name looks like without its legal form: payees with one look can be taken for one payee."""
    return look_of("".join(company_words(name)))


def is_mixed(name: str) -> bool:
    """Whether a word of the name mixes Latin, Cyrillic or Greek letters with those of another alphabet.

    Nobody's name is spelled so, and it is how a letter that only looks right gets into one.
    """
    for word in re.split(r"[^\w]+", unicodedata.normalize("NFKC", clean(name, 4 * NAME_CHARACTERS_MAX))):
        found = [_alphabet(c) for c in word if unicodedata.category(c) in ("Lu", "Ll", "Lt", "Lo")]
        if any(one != other and {one, other} & set(_ALPHABETS) for one, other in pairwise(found)):
            return True
    return False


def is_rare(name: str) -> bool:
    """Whether the name has letters of a script that is not in everyday use, or pictures, such as letters in boxes."""
    text = unicodedata.normalize("NFKC", clean(name, 4 * NAME_CHARACTERS_MAX))
    return any(
        kind == "So" or (kind in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl") and _alphabet(c) not in _IN_USE)
        for c, kind in ((c, unicodedata.category(c)) for c in text)
    )


@cache
def _forms() -> frozenset[str]:
    """The legal forms, and what they look like: a form spelled with a letter that only looks right is one too."""
    forms = _FORMS.split()
    return frozenset((*forms, *map(look_of, forms)))


def _steady(text: str, fold: Callable[[str], str]) -> str:
    for _ in range(_ROUNDS_MAX):
        folded = fold(text)
        if folded == text:
            break
        text = folded
    return text


def _folded(text: str) -> str:
    return " ".join(_without_accents(text).casefold().split())


def _drawn(text: str) -> str:
    # Looked at before anything is folded as well: a capital looks unlike its small letter.
    plain = "".join(_plain_letter(c) for c in _without_accents(text.translate(_LOOKS)))
    return plain.translate(_LOOKS).casefold()


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not _is_accent(c)))


def _is_accent(character: str) -> bool:
    """A mark set above, below or through a letter. Vowel signs and the like are letters of their scripts and stay."""
    place = unicodedata.combining(character)
    return place == 1 or place >= 200 or 10 <= place <= 35 or unicodedata.category(character) == "Me"


def _plain_letter(character: str) -> str:
    """The letter of which this is a variant by its Unicode name, such as o for ø and k for the small capital ᴋ."""
    if character.isascii():
        return character
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit) if ord(character) not in _LOOKS else character
    name = unicodedata.name(character, "")
    small_capital = re.fullmatch(r"LATIN LETTER SMALL CAPITAL ([A-Z])", name)
    if small_capital is not None:
        return small_capital[1].lower()
    base, with_mark, _ = name.partition(" WITH ")
    if not with_mark:
        return character
    try:
        return unicodedata.lookup(base)
    except KeyError:
        return character


def _alphabet(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split(" ")[0].split("-")[0]

"""What a text names: phones, vouchers, payments, devices, money, places. By patterns that know our own formats; never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.accounts.errors import BadPhone
from services.accounts.phones import parse_phone
from services.vouchers.codes import ALPHABET, read_code, show_code
from services.vouchers.errors import MistypedCode


class EntityKind(StrEnum):
    PHONE = "phone"
    VOUCHER = "voucher"
    PAYMENT_REFERENCE = "payment_reference"
    MAC = "mac"
    MONEY = "money"
    EMAIL = "email"
    PLACE = "place"
    ACCESS_POINT = "access_point"


@dataclass(frozen=True)
class Entity:
    """`value` in the form that the database knows; `start` and `end` say where it stood in the text.

    `checked`: its own check character or numbering plan vouches for it. One that is not may be a typing error: show it, look it up.
    """

    kind: EntityKind
    value: str
    start: int
    end: int
    checked: bool = True


@dataclass(frozen=True)
class KnownNames:
    """Names of ours to look for: sites and access points."""

    sites: tuple[str, ...] = ()
    access_points: tuple[str, ...] = ()


_MAX_TEXT, _MAX_FOUND = 12_000, 50
_CODE = f"[{ALPHABET}{ALPHABET.lower()}]"
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}\b")
_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}"
    r"|(?=[0-9A-Fa-f]*[A-Fa-f])(?=[0-9A-Fa-f]*\d)[0-9A-Fa-f]{12})(?![\w:-])"
)
_VOUCHER = re.compile(rf"(?<![\w-]){_CODE}{{4}}[ -]?{_CODE}{{5}}[ -]?{_CODE}{{5}}(?![\w-])")
# A code in our groups with characters that ours never have, or whatever is called a code: a typing error worth showing.
_LIKE_VOUCHER = re.compile(
    r"(?<![\w-])([A-Z0-9]{4}-[A-Z0-9]{5}-[A-Z0-9]{5})(?![\w-])"
    r"|\b(?i:voucher|code|coupon)(?i:\s+(?:code|no|nr|number|is|was))*\s*[:#]?\s*([A-Z0-9]{2,6}(?:-[A-Z0-9]{2,6}){1,3}|[A-Z0-9]{7,16})(?![\w-])"
)
# Wave's transactions and checkout sessions.
_WAVE = re.compile(r"(?<![\w-])(?:T_[A-Za-z0-9]{6,32}|T[A-Z0-9]{7,32}|cos-[A-Za-z0-9]{6,32})(?![\w-])")
# Our receipts are eight characters of the voucher alphabet; of others, whatever is called a reference and looks like one.
_NAMED_REFERENCE = re.compile(
    r"\b(?i:receipt|reference|ref|transaction|txn|payment)(?i:\s+(?:no|nr|number|id|code|is|was))*\s*[.:#]*\s*"
    rf"({_CODE}{{8}}|[A-Z0-9]{{6,20}})(?![\w-])"
)
_MONEY = re.compile(
    r"(?<![\w.])(?:(?:GMD|D)\s?(\d{1,3}(?:[ ,]\d{3})+|\d{1,7})(?:\.(\d{1,2}))?(?![\w])"
    r"|(\d{1,3}(?:,\d{3})+|\d{1,7})(?:\.(\d{1,2}))?\s?(?:GMD|dalasis?|D)(?!\w))",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w.,-])(?:\+|00)?\(?\d(?:[\s().-]{0,2}\d){6,14}(?![\w-])")


def find_entities(text: str, names: KnownNames | None = None) -> tuple[Entity, ...]:
    """All that `text` names, in the order of the text, each stretch of it claimed once. Only its first 12,000 characters are read."""
    read = text[:_MAX_TEXT]
    # The surer a pattern, the earlier: what it claims is not looked at again (a MAC of digits is no phone number).
    finders = (_emails(read), _macs(read), _vouchers(read), _references(read), _money(read), _phones(read), _names(read, names))
    taken: list[Entity] = []
    for finder in finders:
        for entity in finder:
            if len(taken) >= _MAX_FOUND:
                break
            if all(entity.end <= other.start or entity.start >= other.end for other in taken):
                taken.append(entity)
    return tuple(sorted(taken, key=lambda entity: entity.start))


def _emails(text: str) -> Iterator[Entity]:
    for match in _EMAIL.finditer(text):
        yield Entity(EntityKind.EMAIL, match[0].lower(), *match.span())


def _macs(text: str) -> Iterator[Entity]:
    for match in _MAC.finditer(text):
        digits = re.sub(r"[:.-]", "", match[0]).lower()
        yield Entity(EntityKind.MAC, ":".join(digits[at : at + 2] for at in range(0, 12, 2)), *match.span())


def _vouchers(text: str) -> Iterator[Entity]:
    for match in _VOUCHER.finditer(text):
        # Groups of four, five and five letters are also words ("need reset after"): digits or capitals with dashes make it a code.
        if not re.search(r"\d", match[0]) and not ("-" in match[0] and match[0].isupper()):
            continue
        try:
            yield Entity(EntityKind.VOUCHER, show_code(read_code(match[0])), *match.span())
        except MistypedCode:
            if match[0].isupper() or "-" in match[0]:
                code = re.sub(r"[ -]", "", match[0]).upper()
                yield Entity(EntityKind.VOUCHER, show_code(code), *match.span(), checked=False)
    for match in _LIKE_VOUCHER.finditer(text):
        group = 1 if match[1] else 2
        if re.search(r"\d", match[group]):
            yield Entity(EntityKind.VOUCHER, match[group], *match.span(group), checked=False)


def _references(text: str) -> Iterator[Entity]:
    for match in _WAVE.finditer(text):
        if re.search(r"\d", match[0]):
            yield Entity(EntityKind.PAYMENT_REFERENCE, match[0], *match.span())
    for match in _NAMED_REFERENCE.finditer(text):
        if re.search(r"\d", match[1]):
            yield Entity(EntityKind.PAYMENT_REFERENCE, match[1].upper(), *match.span(1))


def _money(text: str) -> Iterator[Entity]:
    for match in _MONEY.finditer(text):
        whole, part = match[1] or match[3], match[2] or match[4] or ""
        bututs = int(re.sub(r"\D", "", whole)) * 100 + int(part.ljust(2, "0") or 0)
        yield Entity(EntityKind.MONEY, f"GMD {bututs // 100}.{bututs % 100:02}", *match.span())


def _phones(text: str) -> Iterator[Entity]:
    for match in _PHONE.finditer(text):
        for written in _shortened(match[0]):
            try:
                phone = parse_phone(written)
            except BadPhone:
                continue
            yield Entity(EntityKind.PHONE, phone.canonical, match.start(), match.start() + len(written))
            break


def _shortened(written: str) -> Iterator[str]:
    """The text, then without its last group: in "call 301 2345 2 times" the 2 is no digit of the number."""
    yield written
    for _ in range(2):
        shorter = re.sub(r"[\s().-]+\d+$", "", written)
        if shorter == written:
            return
        written = shorter
        yield written


def _names(text: str, names: KnownNames | None) -> Iterator[Entity]:
    if names is None:
        return
    for kind, values in ((EntityKind.ACCESS_POINT, names.access_points), (EntityKind.PLACE, names.sites)):
        for name in _longest_first(values):
            pattern = r"[\s_-]+".join(re.escape(part) for part in re.split(r"[\s_-]+", name.strip()))
            for match in re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE):
                yield Entity(kind, name, *match.span())


def _longest_first(names: Sequence[str]) -> list[str]:
    return sorted((name for name in names if len(name.strip()) >= 3), key=lambda name: (-len(name), name))

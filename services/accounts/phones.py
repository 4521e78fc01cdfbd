"""Phone numbers of The Gambia while they grow from seven digits to nine (protocols/push-and-sms.md, part C)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from services.accounts.errors import BadPhone

_REGION = "GM"
_COUNTRY = 220
_LEGACY_DIGITS, _FULL_DIGITS = 7, 9
# Two digits were put in front of a whole range of old numbers. Used only to find one person by both forms, never to route:
# numbers are ported between operators. Longest beginning first.
_PREFIXES = (
    *((start, "87") for start in ("40", "41", "45")),
    *((start, "86") for start in ("84", "85", "86", "87")),
    *((start, "83") for start in ("3", "5")),
    *((start, "87") for start in ("7", "2")),
    ("6", "86"),
    ("9", "89"),
)
_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_MAX_INPUT = 32


@dataclass(frozen=True)
class Phone:
    """`canonical` is E.164 in the 9-digit form where one exists; `legacy` is the 7-digit form of the same number."""

    canonical: str
    legacy: str | None

    def sms_address(self, *, legacy_works: bool) -> str:
        """The form to send to: both work until the switch-over date, the 9-digit form alone afterwards."""
        return self.legacy if self.legacy and legacy_works else self.canonical


def parse_phone(text: str) -> Phone:
    """Read what a person typed: spaces, dashes, 00220, a stray leading 0, Arabic-Indic digits, old or new form. Raises BadPhone."""
    if len(text) > _MAX_INPUT:
        raise BadPhone
    cleaned = re.sub(r"\(\s*0\s*\)", "", text).strip()
    for candidate in (cleaned, re.sub(r"^0(?!0)", "", cleaned)):
        try:
            number = phonenumbers.parse(candidate, _REGION)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return _both_forms(number)
    raise BadPhone


def _both_forms(number: phonenumbers.PhoneNumber) -> Phone:
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if number.country_code != _COUNTRY or phonenumbers.number_type(number) not in _MOBILE:
        return Phone(e164, None)
    national = str(number.national_number)
    if len(national) == _LEGACY_DIGITS:
        return Phone(_lengthened(national) or e164, e164 if _lengthened(national) else None)
    if len(national) == _FULL_DIGITS and _lengthened(national[2:]) == e164:
        return Phone(e164, f"+{_COUNTRY}{national[2:]}")
    return Phone(e164, None)


def _lengthened(national: str) -> str | None:
    for start, prefix in _PREFIXES:
        if national.startswith(start):
            e164 = f"+{_COUNTRY}{prefix}{national}"
            return e164 if phonenumbers.is_valid_number(phonenumbers.parse(e164)) else None
    return None


def same_number(one: str, other: str) -> bool:
    """Whether two texts name one number, in whichever form each came. False when either is not a number."""
    try:
        return parse_phone(one).canonical == parse_phone(other).canonical
    except BadPhone:
        return False


def local_format(e164: str) -> str:
    """As people here write it: `83 301 2345`; a foreign number in full."""
    if e164.startswith(f"+{_COUNTRY}"):
        national = e164[len(str(_COUNTRY)) + 1 :]
        if len(national) == _FULL_DIGITS:
            return f"{national[:2]} {national[2:5]} {national[5:]}"
        if len(national) == _LEGACY_DIGITS:
            return f"{national[:3]} {national[3:]}"
    return e164

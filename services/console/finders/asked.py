"""What was typed, read once for all finders: as words, as digits, as a device's address, as a code."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from services.network.access_point_queries import canonical_mac
from services.vouchers import codes
from services.vouchers.errors import MistypedCode

MAX_TEXT = 100
SHORTEST = 2
_NUMBER = re.compile(r"\+?[\d\s()./-]+")
_MAC_PART = re.compile(r"[0-9a-f]{2}(?:[:.\- ]?[0-9a-f]{1,2}){1,5}[:.\-]?")
_REFERENCE = re.compile(r"[0-9A-Z]{3,14}")
_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_CODE = _DIGITS + _LETTERS.upper()
_ANY_MAC = "ff:ff:ff:ff:ff:ff"
_LEAST_MAC_DIGITS = 4
_LONGEST_SLIP = 16


@dataclass(frozen=True)
class Asked:
    """`text` is clean: no control characters, single spaces, at most 100 characters.

    `nearly`: only what is written nearly so is asked for now, because nothing is or begins just so.
    """

    text: str
    now: datetime
    nearly: bool = False

    @cached_property
    def is_short(self) -> bool:
        return len(self.text) < SHORTEST

    @cached_property
    def digits(self) -> str:
        """The digits, if it may be a part of a phone number; in whichever script they were typed."""
        return re.sub(r"[^0-9]", "", self._plain) if _NUMBER.fullmatch(self._plain) else ""

    @cached_property
    def is_international(self) -> bool:
        return self._plain.startswith(("+", "00")) or self.digits.startswith("220")

    @cached_property
    def mac_range(self) -> tuple[str, str] | None:
        """The lowest and the highest device address that begins so; both the same for a whole one."""
        low = self.text.lower().strip()
        whole = canonical_mac(low)
        if whole is not None:
            return whole, whole
        hexadecimal = re.sub(r"[:.\- ]", "", low)
        if not _MAC_PART.fullmatch(low) or not _LEAST_MAC_DIGITS <= len(hexadecimal) <= len(_ANY_MAC.replace(":", "")):
            return None
        begun = ":".join(hexadecimal[at : at + 2] for at in range(0, len(hexadecimal), 2))
        return begun, begun + _ANY_MAC[len(begun) :]

    @cached_property
    def reference(self) -> str:
        """As receipt codes and references are kept, without a beginning such as `T-`; empty if it cannot be one."""
        plain = re.sub(r"[\s-]", "", re.sub(r"^[A-Z]-", "", self.text.upper()))
        return plain if _REFERENCE.fullmatch(plain) else ""

    def has_letter_before(self, letter: str) -> bool:
        """Whether it was typed as a reference of this kind, such as `T-…`."""
        return self.text.upper().startswith(f"{letter}-")

    @cached_property
    def voucher_code(self) -> str | None:
        """A whole voucher's code. It is worth money: it never leaves the process but as its keyed hash."""
        try:
            return codes.read_code(self.text)
        except MistypedCode:
            return None

    @cached_property
    def _plain(self) -> str:
        return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in self.text)


def read(text: str, *, now: datetime) -> Asked:
    """Raises nothing, whatever was typed or pasted."""
    sound = text[: 10 * MAX_TEXT].encode("utf-8", "ignore").decode("utf-8")
    spaced = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in sound)
    return Asked(" ".join(spaced.split())[:MAX_TEXT].strip(), now)


def slips(text: str, alphabet: str = _CODE) -> tuple[str, ...]:
    """All that one slip of the finger makes of it: two swapped, one too many, one wrong, one missing. Swapped ones first."""
    if not text or len(text) > _LONGEST_SLIP:
        return ()
    cuts = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    made = [left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1]
    made += [left + right[1:] for left, right in cuts if right]
    made += [left + one + right[1:] for left, right in cuts if right for one in alphabet]
    made += [left + one + right for left, right in cuts for one in alphabet]
    return tuple(dict.fromkeys(one for one in made if one and one != text))


def word_slips(word: str) -> tuple[str, ...]:
    return slips(word, _LETTERS)


def swaps(text: str) -> tuple[str, ...]:
    """Two neighbours swapped: the slip that shared letters tell least of."""
    made = (text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1))
    return tuple(dict.fromkeys(one for one in made if one != text))


def number_slips(digits: str) -> tuple[str, ...]:
    """Swapped digits, one too many or one missing. Not a wrong one: nearly every such number is somebody's."""
    cuts = [(digits[:at], digits[at:]) for at in range(len(digits) + 1)]
    made = [*swaps(digits), *(left + right[1:] for left, right in cuts if right)]
    made += [left + one + right for left, right in cuts for one in _DIGITS]
    return tuple(dict.fromkeys(one for one in made if one and one != digits))

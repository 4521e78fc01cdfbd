"""Voucher codes: random, unambiguous to read aloud, with a check character, found by keyed hash.

Thirteen random characters of thirty give 63 bits; the fourteenth is a Luhn mod 30 check, so a mistyped character or two neighbours that
were swapped are told before anything is looked up.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

from app.keys import keyed_mac, keyed_macs, seal, unseal
from services.vouchers.errors import MistypedCode

# Neither 0 O Q nor 1 I L: what is left cannot be mistaken on a wet scratch card.
ALPHABET = "23456789ABCDEFGHJKMNPRSTUVWXYZ"
_RANDOM_CHARACTERS = 13
_LENGTH = _RANDOM_CHARACTERS + 1
_TAIL = 5
_PURPOSE_MAC, _PURPOSE_TAIL, SEALED_FOR = "voucher-code-mac", "voucher-tail-mac", "voucher-code"
_MAX_INPUT = 64
_SIZE = len(ALPHABET)
# A random byte is a character, 256 being no multiple of 30 only after the uppermost ones are thrown away: no character is likelier.
_FAIR = 256 // _SIZE * _SIZE
_TO_CHARACTER = bytes(ord(ALPHABET[byte % _SIZE]) for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))
# What a character adds to the check sum: at every second place, from the last random one on, its number doubled with the carry added.
_NUMBER, _DOUBLED = bytearray(256), bytearray(256)
for _number, _character in enumerate(ALPHABET.encode()):
    _NUMBER[_character], _DOUBLED[_character] = _number, 2 * _number // _SIZE + 2 * _number % _SIZE
# The one pair of neighbours whose swap a Luhn check cannot tell, the alphabet's first and last: no code is made with it.
_BLIND = (ALPHABET[0] + ALPHABET[-1], ALPHABET[-1] + ALPHABET[0])
_AT_ONCE = 1000


def new_code() -> str:
    return next(new_codes(1))


def new_codes(count: int) -> Iterator[str]:
    """Many at once, at a fraction of what each costs alone."""
    while count > 0:
        for body in _random_texts(min(count, _AT_ONCE), _RANDOM_CHARACTERS):
            code = body + _check_character(body)
            if _BLIND[0] in code or _BLIND[1] in code:
                continue
            yield code
            count -= 1


def new_references(count: int, length: int) -> Iterator[str]:
    """Many of `new_reference` at once."""
    while count > 0:
        for text in _random_texts(min(count, _AT_ONCE), length):
            yield text
            count -= 1


def _random_texts(count: int, length: int) -> Iterator[str]:
    """About as many as asked for, and never more."""
    drawn = os.urandom(count * length).translate(_TO_CHARACTER, _UNFAIR).decode()
    for start in range(0, len(drawn) - length + 1, length):
        yield drawn[start : start + length]


def _check_character(body: str) -> str:
    characters = body.encode()
    total = sum(characters[::-2].translate(_DOUBLED)) + sum(characters[-2::-2].translate(_NUMBER))
    return ALPHABET[-total % _SIZE]


def read_code(text: str) -> str:
    """The code in its stored form. Raises MistypedCode for what cannot be one."""
    code = "".join(text[:_MAX_INPUT].upper().split()).replace("-", "")
    if len(code) != _LENGTH or any(character not in ALPHABET for character in code) or _check_character(code[:-1]) != code[-1]:
        raise MistypedCode(field="code")
    return code


def show_code(code: str) -> str:
    """In groups that a person can copy: `ABCD-EFGHJ-KMNPR`."""
    return f"{code[:4]}-{code[4:9]}-{code[9:]}"


def code_mac(code: str) -> str:
    return keyed_mac(_PURPOSE_MAC, code)


def code_macs(code: str) -> tuple[str, ...]:
    """For look-ups: a voucher may have been made under an earlier key."""
    return keyed_macs(_PURPOSE_MAC, code)


def tail_mac(code: str) -> int:
    """Of the code's last group (31 bits), for whoever can read only that; the last group alone has the same one."""
    return _as_number(keyed_mac(_PURPOSE_TAIL, code[-_TAIL:]))


def tail_macs(tail: str) -> tuple[int, ...]:
    """For look-ups by a code's last group: a voucher may have been made under an earlier key."""
    return tuple(_as_number(mac) for mac in keyed_macs(_PURPOSE_TAIL, tail[-_TAIL:]))


def _as_number(mac: str) -> int:
    return int(mac[:8], 16) >> 1


def seal_code(code: str) -> str:
    return seal(SEALED_FOR, code.encode())


def unseal_code(sealed: str) -> str:
    return unseal(SEALED_FOR, sealed).decode()


def new_reference(length: int = 8) -> str:
    """A short code for people: on a receipt, in an SMS, as Wave's client reference."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))

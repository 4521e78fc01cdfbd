"""Voucher codes: random, unambiguous to read aloud, with a check character, found by keyed hash.

Thirteen random characters of thirty give 63 bits; the fourteenth is a Luhn mod 30 check, so a mistyped or swapped character is told
before anything is looked up.
"""

from __future__ import annotations

import secrets

from app.keys import keyed_mac, keyed_macs, seal, unseal
from services.vouchers.errors import MistypedCode

# Neither 0 O Q nor 1 I L: what is left cannot be mistaken on a wet scratch card.
ALPHABET = "23456789ABCDEFGHJKMNPRSTUVWXYZ"
_RANDOM_CHARACTERS = 13
_LENGTH = _RANDOM_CHARACTERS + 1
_PURPOSE_MAC, SEALED_FOR = "voucher-code-mac", "voucher-code"
_MAX_INPUT = 64


def new_code() -> str:
    body = "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return body + _check_character(body)


def _check_character(body: str) -> str:
    size, total, factor = len(ALPHABET), 0, 2
    for character in reversed(body):
        product = factor * ALPHABET.index(character)
        total += product // size + product % size
        factor = 3 - factor
    return ALPHABET[-total % size]


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


def seal_code(code: str) -> str:
    return seal(SEALED_FOR, code.encode())


def unseal_code(sealed: str) -> str:
    return unseal(SEALED_FOR, sealed).decode()


def new_reference(length: int = 8) -> str:
    """A short code for people: on a receipt, in an SMS, as Wave's client reference."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))

"""A price on trying codes: some work for the browser, or some seconds of waiting where there is no JavaScript.

The server keeps nothing. A sealed token says for which code it was made and when; the work is a number with which the token's end hashes
to `BITS` leading zero bits. Token and work open one look-up of that one code: to try another, another has to be worked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from app.errors import DomainError, ErrorKind
from app.keys import BadSeal, keyed_mac, seal_json, unseal_json

# 65 536 hashes on average: under a second on a cheap phone (portal.js), and for a guesser the end of all hurry.
BITS = 16
WAIT = timedelta(seconds=10)
_LIFETIME = timedelta(minutes=10)
_PURPOSE, _MAC = "proof-of-work", "proof-of-work-secret"
# So much of the token's end goes into the hash that one block of SHA-256 holds it, and no two tokens share it.
_SEED_LENGTH = 32
_MAX_WORK_LENGTH = 16


@dataclass(frozen=True)
class Proof:
    """What came with a form or a request; both empty at a first try."""

    token: str = ""
    work: str = ""


class Verdict(Enum):
    WORKED = auto()
    WAITED = auto()
    EARLY = auto()
    NOTHING = auto()


class ProofNeeded(DomainError):
    """Answers a token: send it back as `proof` with the `work` for it, or alone after `retry_after` seconds."""

    kind, code, title = ErrorKind.TOO_MANY, "proof_needed", "Many wrong codes were entered here"

    def __init__(self, token: str | None, secret: str, *, now: datetime) -> None:
        token = token or seal_json(_PURPOSE, {"s": _mac(secret), "a": now.timestamp()})
        wait = max(1, int((_made_at(token) + WAIT - now).total_seconds()) + 1)
        text = f"Many wrong codes were entered at this place. Wait {wait} seconds, then send yours again."
        super().__init__(text, retry_after=wait, proof=token, bits=BITS)


def check(paid: Proof, secret: str, *, now: datetime) -> Verdict:
    """What the sender has done for this very code."""
    try:
        held: dict[str, Any] = unseal_json(_PURPOSE, paid.token)
    except BadSeal:
        return Verdict.NOTHING
    age = now - datetime.fromtimestamp(held["a"], UTC)
    if held["s"] != _mac(secret) or age > _LIFETIME:
        return Verdict.NOTHING
    if is_worked(paid):
        return Verdict.WORKED
    return Verdict.WAITED if age >= WAIT else Verdict.EARLY


def is_worked(paid: Proof) -> bool:
    """Whether the number fits the token; says nothing about whose token it is."""
    if not paid.work.isdecimal() or not paid.work.isascii() or len(paid.work) > _MAX_WORK_LENGTH:
        return False
    digest = hashlib.sha256(f"{paid.token[-_SEED_LENGTH:]}.{paid.work}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> (32 - BITS) == 0


def _made_at(token: str) -> datetime:
    return datetime.fromtimestamp(float(str(unseal_json(_PURPOSE, token)["a"])), UTC)


def _mac(secret: str) -> str:
    # As a person may type it twice: with other spaces, dashes and letter case it is the same code.
    return keyed_mac(_MAC, "".join(character for character in secret.upper() if character.isalnum()))[:32]

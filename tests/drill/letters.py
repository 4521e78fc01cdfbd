"""The mails of the mail drill: each says its own mark, and where it must end."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass

from services.tickets.intake_models import InboundState
from services.tickets.mail_fetching import MOST_BYTES

S = InboundState
_BOMB = 12
# Of a hundred mails; the rest begin conversations.
_SHARES = {"thread": 18, "twice": 12, "vacation": 5, "list": 3, "own": 3, "spam": 4, "broken": 12, "deep": 2, "large": 4, "nameless": 2}
_ENDS = {"vacation": S.IGNORED, "list": S.IGNORED, "own": S.HELD, "spam": S.HELD, "deep": S.HELD, "huge": S.HELD, "nameless": S.HELD}
_HEADERS = {
    "vacation": "Auto-Submitted: auto-replied",
    "list": "List-Id: <news.example.gm>",
    "own": "X-Way: round",
    "spam": "X-Spam-Flag: YES",
}


@dataclass(frozen=True)
class Letter:
    """`raw` is base64. `goes_on_with` is the mark of the mail whose conversation this one belongs to."""

    mark: str
    kind: str
    raw: str
    ends: InboundState
    copies: int = 1
    goes_on_with: str = ""


def letters(chance: random.Random, count: int) -> list[Letter]:
    """One that is huge, a bomb, and the rest by chance; what answers comes after what it answers."""
    made: list[Letter] = [_letter(0, "huge", chance), *(_letter(number, "bomb", chance) for number in range(1, 1 + min(_BOMB, count // 5)))]
    kinds, weights = [*_SHARES, "new"], [*_SHARES.values(), 100 - sum(_SHARES.values())]
    begun: list[int] = []
    for number in range(len(made), count):
        kind = chance.choices(kinds, weights)[0]
        if kind == "thread" and not begun:
            kind = "new"
        first = begun.pop(chance.randrange(len(begun))) if kind == "thread" else None
        made.append(_letter(number, kind, chance, first))
        if kind == "new":
            begun += [number] * 2  # answered twice at most: more would be a flood
    head = made[: 1 + min(_BOMB, count // 5)]
    return _mixed(chance, head, made[len(head) :])


def _mixed(chance: random.Random, some: list[Letter], others: list[Letter]) -> list[Letter]:
    """`others` keep their order; each of `some` is put in anywhere."""
    mixed = list(others)
    for letter in some:
        mixed.insert(chance.randrange(len(mixed) + 1), letter)
    return mixed


def _letter(number: int, kind: str, chance: random.Random, first: int | None = None) -> Letter:
    mark = _mark(number)
    raw = _raw(number, kind, chance, first)
    copies = chance.randint(2, 4) if kind == "twice" else 1
    return Letter(mark, kind, base64.b64encode(raw).decode(), _ENDS.get(kind, S.TAKEN), copies, _mark(first) if first is not None else "")


def _mark(number: int) -> str:
    return f"mark-{number:05}-"


def _raw(number: int, kind: str, chance: random.Random, first: int | None) -> bytes:
    writer = f"p{first if first is not None else number}@example.gm"
    sender = {"own": "help@inet.demo", "bomb": "bomb@example.gm", "nameless": ""}.get(kind, writer)
    head = [
        f"From: {sender}",
        "To: help@inet.demo",
        f"Subject: {_mark(number)} the Wi-Fi",
        f"Message-ID: <{number}@example.gm>",
        "Date: Sun, 22 Nov 2026 12:00:00 +0000",
    ]
    if first is not None:
        head.append(f"References: <{first}@example.gm>")
    if kind in _HEADERS:
        head.append(_HEADERS[kind])
    start = "\r\n".join(head).encode() + b"\r\n"
    return start + _body(number, kind, chance)


def _body(number: int, kind: str, chance: random.Random) -> bytes:
    words = f"{_mark(number)} it does not work here.".encode()
    if kind == "broken":
        return chance.choice(
            (
                b"Content-Type: text/plain; charset=no-such-charset\r\n\r\n" + words + b" \xff\xfe\xe9",
                b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + words + b"\r\n--b",
                b"Content-Type: multipart/mixed\r\n\r\n" + words,
                b"Content-Type: text/html\r\n\r\n<p>" + words + b"<script>alert(1)</script><table><tr>",
                b"Subject: =?utf-8?b?broken?=\r\nContent-Type: nonsense\r\n\r\n" + words + b"\x00\x01",
            )
        )
    if kind == "deep":
        return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)) + words
    if kind in ("large", "huge"):
        file = base64.encodebytes(chance.randbytes(chance.randint(300_000, 1_500_000)))
        if kind == "huge":
            file += (b"A" * 76 + b"\n") * (MOST_BYTES // 77)
        part = b"\r\n--b\r\nContent-Type: image/jpeg; name=a.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n" + file + b"\r\n--b--"
        return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + words + part
    return b"\r\n" + words + b"\r\n"

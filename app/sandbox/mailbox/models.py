"""What the mail server holds: the mails of one folder with their numbers, and the mails that the product sent."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from typing import Any

from app.sandbox.clock import SandboxClock, iso
from app.sandbox.store import Store, Table

FIRST_VALIDITY = 20_260


@dataclass
class Letter:
    """One mail of the folder. `raw` is base64, since the store keeps JSON."""

    key: str
    uid: int
    raw: str
    at: float
    flags: list[str] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        return base64.b64decode(self.raw)

    @property
    def internal_date(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).strftime("%d-%b-%Y %H:%M:%S +0000")

    @property
    def is_seen(self) -> bool:
        return "\\Seen" in self.flags

    def wire(self) -> dict[str, Any]:
        return {"uid": self.uid, "at": iso(self.at), "seen": self.is_seen, "size": len(self.content), **_shown(self.content)}


@dataclass
class Sent:
    """One mail that the product handed over."""

    key: str
    to: list[str]
    raw: str
    at: float

    def wire(self) -> dict[str, Any]:
        return {"key": self.key, "to": self.to, "at": iso(self.at), **_shown(base64.b64decode(self.raw))}


@dataclass
class Numbers:
    """Of the folder: what its numbers belong to, and the next one."""

    key: str = "numbers"
    validity: int = FIRST_VALIDITY
    next_uid: int = 1


class Folder:
    """INBOX and what was sent, kept in the sandbox's store."""

    def __init__(self, store: Store, clock: SandboxClock) -> None:
        self._clock = clock
        self._letters = Table(store, "mail", Letter, key=lambda row: row.key)
        self._sent = Table(store, "mail_sent", Sent, key=lambda row: row.key)
        self._numbers = Table(store, "mail_numbers", Numbers, key=lambda row: row.key)

    @property
    def numbers(self) -> Numbers:
        return self._numbers.get("numbers") or self._numbers.save(Numbers())

    def letters(self) -> list[Letter]:
        """In the order of their numbers."""
        return sorted(self._letters.all(), key=lambda letter: letter.uid)

    def letter(self, uid: int) -> Letter | None:
        return next((letter for letter in self._letters.all() if letter.uid == uid), None)

    def sent(self) -> list[Sent]:
        return self._sent.all()

    def deliver(self, raw: bytes, *, seen: bool = False) -> Letter:
        numbers = self.numbers
        uid, numbers.next_uid = numbers.next_uid, numbers.next_uid + 1
        self._numbers.save(numbers)
        letter = Letter(f"{self._letters.next_number()}", uid, _text(raw), self._clock.now(), ["\\Seen"] if seen else [])
        return self._letters.save(letter)

    def take(self, to: list[str], raw: bytes) -> Sent:
        return self._sent.save(Sent(f"{self._sent.next_number()}", to, _text(raw), self._clock.now()))

    def mark(self, letter: Letter, flags: list[str], *, how: str) -> None:
        """`how` is FLAGS, +FLAGS or -FLAGS."""
        kept = {} if how == "FLAGS" else dict.fromkeys(letter.flags)
        letter.flags = [flag for flag in kept if flag not in flags] if how == "-FLAGS" else list(dict.fromkeys((*kept, *flags)))
        self._letters.save(letter)

    def renumber(self) -> int:
        """All mails get new names, as after a server was restored from a backup."""
        numbers = self.numbers
        numbers.validity += 1
        numbers.next_uid = 1
        for letter in self.letters():
            letter.uid, numbers.next_uid = numbers.next_uid, numbers.next_uid + 1
            self._letters.save(letter)
        self._numbers.save(numbers)
        return numbers.validity

    def clear(self) -> None:
        """Empty, under new names, so that nobody takes the next mail for one that was there."""
        numbers = Numbers(validity=self.numbers.validity + 1)
        for table in (self._letters, self._sent, self._numbers):
            table.clear()
        self._numbers.save(numbers)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _shown(raw: bytes) -> dict[str, Any]:
    """For people and tests: who, what, and the words, as far as that is possible."""
    mail = message_from_bytes(raw)
    return {
        "from": _header(mail, "From"),
        "to_header": _header(mail, "To"),
        "subject": _header(mail, "Subject"),
        "message_id": _header(mail, "Message-ID"),
        "reply_to": _header(mail, "Reply-To"),
        "references": _header(mail, "References"),
        "automatic": _header(mail, "Auto-Submitted"),
        "text": next(_texts(mail), "")[:20_000],
    }


def _header(mail: Message, name: str) -> str:
    value = str(mail.get(name, ""))
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError):
        return value


def _texts(mail: Message) -> Iterator[str]:
    for part in mail.walk():
        if part.get_content_type() == "text/plain" and isinstance(content := part.get_payload(decode=True), bytes):
            yield content.decode("utf-8", "replace")

"""A mailbox over IMAP (RFC 3501), read with imap-tools: always encrypted, nothing in it is ever deleted, and every wait has an end.

imap-tools' own `flag` and `delete` say EXPUNGE behind each change, which would throw away what people marked; so flags are set here.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxLoginError

from app.outbound import OutboundError, OutcomeUnknown, Refused, Unavailable, observe

SERVICE = "imap"
_PORTS = {"imap": 143, "imaps": 993}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SHAPE = "the mailbox address must look like imaps://user:password@host:993/INBOX"
_BATCH = 200
_UID, _SIZE = re.compile(rb"\bUID (\d+)"), re.compile(rb"\bRFC822\.SIZE (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{20,40})"')


@dataclass(frozen=True)
class Listed:
    """What the server says of a mail without handing it over."""

    uid: int
    size: int
    received_at: datetime
    is_seen: bool


@dataclass(frozen=True)
class Standing:
    """How the folder stands: `next_uid` is what the next mail will be called, `validity` changes when all names do."""

    validity: int
    next_uid: int
    messages: int


class OpenMailbox:
    """One folder while the connection is open. Every method raises Unavailable or OutcomeUnknown when the server fails it."""

    def __init__(self, box: BaseMailBox, standing: Standing) -> None:
        self._client: Any = box.client
        self.standing = standing

    def uids(self, criteria: str = "ALL") -> list[int]:
        found = self._asked("search", self._client.uid, "SEARCH", criteria)
        return sorted({int(uid) for line in found if isinstance(line, bytes) for uid in line.split() if uid.isdigit()})

    def listed(self, uids: Sequence[int]) -> list[Listed]:
        """What these are, as far as they are still there, in the order of their numbers."""
        rows: dict[int, Listed] = {}
        for start in range(0, len(uids), _BATCH):
            wanted = ",".join(map(str, uids[start : start + _BATCH]))
            for item in self._asked("list", self._client.uid, "FETCH", wanted, "(UID FLAGS RFC822.SIZE INTERNALDATE)"):
                if (found := _listed(item)) is not None:
                    rows[found.uid] = found
        return [rows[uid] for uid in sorted(rows)]

    def fetch(self, uid: int, *, headers_only: bool = False) -> bytes | None:
        """The mail byte for byte, or its header; None when it is gone. It stays unread."""
        part = "BODY.PEEK[HEADER]" if headers_only else "BODY.PEEK[]"
        for item in self._asked("fetch", self._client.uid, "FETCH", str(uid), f"(UID {part})"):
            if isinstance(item, tuple) and len(item) > 1:
                return bytes(item[1])
        return None

    def mark_seen(self, uids: Sequence[int]) -> None:
        for start in range(0, len(uids), _BATCH):
            wanted = ",".join(map(str, uids[start : start + _BATCH]))
            self._asked("store", self._client.uid, "STORE", wanted, "+FLAGS.SILENT", r"(\Seen)")

    def _asked(self, operation: str, call: Any, *arguments: str) -> list[Any]:
        with observe(SERVICE, operation), _translated(operation):
            answer, data = call(*arguments)
        if answer != "OK":
            raise Unavailable(SERVICE, operation, f"the server answers {str(answer)[:20]}")
        return list(data)


class ImapClient:
    """One folder of one account. Synchronous; each `open` is a connection of its own."""

    def __init__(self, url: str, *, timeout_seconds: float = 20.0) -> None:
        """Raises ValueError, without quoting the address, when a part is missing or it is not encrypted.

        `imap://` begins with STARTTLS; `?tls=no` is for a server on this very machine only. `?address=` says at which address people
        write to this mailbox, when that is not the user's name.
        """
        parts = urlsplit(url)
        try:
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:  # its own words would quote a piece of the address
            raise ValueError(_SHAPE) from None
        if parts.scheme not in _PORTS or not parts.hostname or not parts.username or not parts.password:
            raise ValueError(_SHAPE)
        query = parse_qs(parts.query)
        self._is_plain = query.get("tls") == ["no"]
        if self._is_plain and (parts.scheme == "imaps" or parts.hostname not in _LOOPBACK):
            raise ValueError("a mailbox without TLS must be on this machine")
        self._host, self._port, self._scheme = parts.hostname, port, parts.scheme
        self._login = (unquote(parts.username), unquote(parts.password))
        self._folder = unquote(parts.path.strip("/")) or "INBOX"
        self._timeout = timeout_seconds
        own = query.get("address", [self._login[0]])[0]
        self.address = own.lower() if "@" in own else ""

    @property
    def place(self) -> str:
        """What it is called in lists and in the names of its mails."""
        return f"{self._login[0]}@{self._host}/{self._folder}"[:120]

    @contextmanager
    def open(self) -> Iterator[OpenMailbox]:
        """Raises Refused (user, password or folder are wrong) or Unavailable."""
        box = self._connected()
        try:
            yield OpenMailbox(box, self._standing(box))
        finally:
            with suppress(ImapToolsError, imaplib.IMAP4.error, OSError):
                box.logout()
            _hang_up(box)

    def check(self) -> int:
        """Log in and look; answers how many mails are there. Raises Refused or Unavailable."""
        with self.open() as box:
            return box.standing.messages

    def _connected(self) -> BaseMailBox:
        with observe(SERVICE, "log_in"), _translated("connect"):
            box = self._dialled()
            try:
                box.login(*self._login, initial_folder=None)
            except MailboxLoginError:
                _hang_up(box)
                raise Refused(SERVICE, "log_in", "user_or_password") from None
            except BaseException:
                _hang_up(box)
                raise
        return box

    def _dialled(self) -> BaseMailBox:
        if self._is_plain:
            return MailBoxUnencrypted(self._host, self._port, timeout=self._timeout)
        context = ssl.create_default_context()
        kind = MailBox if self._scheme == "imaps" else MailBoxStartTls
        return kind(self._host, self._port, timeout=self._timeout, ssl_context=context)

    def _standing(self, box: BaseMailBox) -> Standing:
        with observe(SERVICE, "select"), _translated("select"):
            try:
                told = box.folder.status(self._folder, ("MESSAGES", "UIDNEXT", "UIDVALIDITY"))
                box.folder.set(self._folder)
            except ImapToolsError:
                raise Refused(SERVICE, "select", "no_such_folder") from None
        return Standing(told["UIDVALIDITY"], told["UIDNEXT"], told["MESSAGES"])


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    try:
        yield
    except OutboundError:
        raise
    except (ssl.SSLError, OSError) as error:
        raise Unavailable(SERVICE, operation, type(error).__name__) from None
    except (ImapToolsError, imaplib.IMAP4.error, KeyError, ValueError) as error:
        raise OutcomeUnknown(SERVICE, operation, type(error).__name__) from None


def _hang_up(box: BaseMailBox) -> None:
    with suppress(imaplib.IMAP4.error, OSError):
        box.client.shutdown()


def _listed(item: object) -> Listed | None:
    line = b" ".join(part for part in item if isinstance(part, bytes)) if isinstance(item, tuple) else item
    if not isinstance(line, bytes) or (uid := _UID.search(line)) is None:
        return None
    size, date = _SIZE.search(line), _DATE.search(line)
    return Listed(int(uid[1]), int(size[1]) if size else 0, _moment(date[1] if date else b""), rb"\Seen" in line)


def _moment(written: bytes) -> datetime:
    """When the server got it; one that cannot be read came now."""
    with suppress(ValueError):
        return datetime.strptime(written.decode("ascii", "replace").strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
    return datetime.now(UTC)

"""A mail's bytes made readable: whatever is broken in them, something comes out, and nothing of it is code any more."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parseaddr

from lxml import etree
from mailparser_reply.parser import EmailMessage

LONGEST_TEXT = 100_000
NO_TEXT = "(no text)"
CUT = "\n\n[The mail is longer than this. The whole of it is kept as it came.]"
_MAX_PARTS, _MAX_FILES = 300, 50
# The library looks for quotes with expressions whose time grows with the square of the text, so it is given the beginning.
_LOOKED_FOR_QUOTES = 4000
_ID = re.compile(r"<\s*([^<>\s]{1,250})\s*>")
_BLANK_LINES, _QUOTED = re.compile(r"\n\s*\n\s*\n+"), re.compile(r"^>.*$", re.MULTILINE)
_SPACES = re.compile(r"\s+")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Unreadable(Exception):
    """Nothing can be made of it; the message says why, for a person."""


@dataclass(frozen=True)
class MailFile:
    name: str
    claimed_type: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """What a mail says. `sender` is the address in From, in small letters; `mail_id` and `references` are without angle brackets."""

    mail_id: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    references: tuple[str, ...]
    subject: str
    text: str
    files: tuple[MailFile, ...]
    parsed: Message = field(repr=False, compare=False)

    def header(self, name: str) -> str:
        """All values of the field, one after the other, in small letters."""
        return " ".join(_words(value) for value in self.parsed.get_all(name, [])).strip().lower()


def read_mail(raw: bytes) -> Mail:
    """Raises Unreadable."""
    try:
        parsed = message_from_bytes(raw)
        return _read(parsed, raw)
    except RecursionError:
        raise Unreadable("Its parts lie so deep in each other that it cannot be opened.") from None
    except (MessageError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise Unreadable(f"It is not a mail that can be read ({type(error).__name__}).") from error


def content_name(raw: bytes) -> str:
    """What a mail is called that has no name of its own."""
    return f"{hashlib.sha256(raw).hexdigest()}@content"


def identity(raw: bytes) -> str:
    """What stays the same of a mail that comes by two ways, or gets a new number: who wrote what when, and the words themselves."""
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    known = message_from_bytes(head + b"\n\n")
    told = "\n".join(str(known.get(name, "")) for name in ("From", "Date", "Subject", "Message-ID"))
    return hashlib.sha256(told.encode("utf-8", "replace") + b"\n\n" + body.strip()).hexdigest()


def fresh_words(text: str) -> str:
    """Without the earlier mails quoted below and the signature; never nothing where there was something."""
    tidy = _BLANK_LINES.sub("\n\n", text).strip()
    head, rest = tidy[:_LOOKED_FOR_QUOTES], tidy[_LOOKED_FOR_QUOTES:]
    parts = EmailMessage(text=head, languages=["en", "fr"], keep_hyphen_lists=True).read().replies
    first = parts[0].body if parts else head
    unquoted = _QUOTED.sub("", first if len(parts) > 1 or not rest else head + rest).strip()
    return unquoted or first.strip() or tidy


def _read(parsed: Message, raw: bytes) -> Mail:
    name, sender = parseaddr(_words(parsed.get("From", "")))
    plain, html, files = _parts(parsed)
    text = _clean("\n\n".join(plain)).strip() or _clean("\n\n".join(map(text_of_html, html))).strip()
    found = _ids(parsed, "Message-ID")
    return Mail(
        mail_id=found[0] if found else content_name(raw),
        sender=_clean(sender).strip().lower()[:254],
        sender_name=" ".join(_clean(name).split())[:120],
        recipients=_recipients(parsed),
        references=tuple(dict.fromkeys((*_ids(parsed, "In-Reply-To"), *reversed(_ids(parsed, "References"))))),
        subject=" ".join(_clean(_words(parsed.get("Subject", ""))).split())[:200],
        text=text[:LONGEST_TEXT] + CUT if len(text) > LONGEST_TEXT else text,
        files=tuple(files),
        parsed=parsed,
    )


def _parts(parsed: Message) -> tuple[list[str], list[str], list[MailFile]]:
    plain: list[str] = []
    html: list[str] = []
    files: list[MailFile] = []
    for part in _walk(parsed):
        kind, name = part.get_content_type(), _file_name(part)
        if part.get_content_maintype() == "multipart":  # it says so, and its parts cannot be told apart
            kind = "text/plain"
        is_file = bool(name) or part.get_content_disposition() == "attachment"
        if kind in ("text/plain", "text/html") and not is_file:
            (plain if kind == "text/plain" else html).append(_text(part))
        elif len(files) < _MAX_FILES and (content := _content(part)):
            files.append(MailFile(name or f"file-{len(files) + 1}", kind, content))
    return plain, html, files


def _walk(parsed: Message) -> Iterator[Message]:
    """The leaves; a mail that was attached is one of them, and its own parts are not ours."""
    waiting, seen = [parsed], 0
    while waiting and seen < _MAX_PARTS:
        part, seen = waiting.pop(), seen + 1
        payload = part.get_payload()
        if part.get_content_maintype() != "message" and isinstance(payload, list):
            waiting.extend(reversed([inner for inner in payload if isinstance(inner, Message)]))
        else:
            yield part


def _content(part: Message) -> bytes:
    if part.get_content_maintype() == "message":
        return b"\n\n".join(inner.as_bytes() for inner in part.get_payload() if isinstance(inner, Message))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(part: Message) -> str:
    content = _content(part)
    declared = part.get_content_charset() or "utf-8"
    for charset in (declared, "utf-8"):
        with suppress(LookupError, UnicodeDecodeError, ValueError):
            return content.decode(charset)
    return content.decode("cp1252", "replace")


def _file_name(part: Message) -> str:
    with suppress(MessageError, LookupError, ValueError, TypeError):
        return " ".join(_clean(_words(part.get_filename() or "")).split())[:160]
    return "file"


def _recipients(parsed: Message) -> tuple[str, ...]:
    lines = [
        _words(value) for name in ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To") for value in parsed.get_all(name, [])[:20]
    ]
    return tuple(dict.fromkeys(address.lower() for _, address in getaddresses([line[:20_000] for line in lines]) if "@" in address))


def _ids(parsed: Message, name: str) -> tuple[str, ...]:
    return tuple(_ID.findall(" ".join(str(value) for value in parsed.get_all(name, []))[:20_000]))[-50:]


def _words(value: object) -> str:
    """A header field decoded (RFC 2047), as far as that is possible."""
    written = str(value)
    try:
        pieces = decode_header(written)
    except (HeaderParseError, ValueError, LookupError):
        return _clean(written)
    words = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            words.append(piece)
            continue
        try:
            words.append(piece.decode(charset or "utf-8"))
        except (LookupError, UnicodeDecodeError):
            words.append(piece.decode("cp1252", "replace"))
    return _clean("".join(words))


def _clean(text: str) -> str:
    """No control characters and no halves of characters, which a database would refuse."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode()


class _Words:
    """What a reader would see of a page: lxml tells it of every tag. (The parser of the standard library takes hours for some texts.)"""

    _LINES = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "blockquote", "hr", "pre"})
    _CELLS = frozenset({"td", "th"})
    _UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript", "svg", "object", "iframe"})

    def __init__(self) -> None:
        self._words: list[str] = []
        self._hidden = 0

    def start(self, tag: str, attrib: Mapping[str, str]) -> None:
        if tag in self._UNSEEN:
            self._hidden += 1
        elif tag in self._LINES:
            self._words.append("\n> " if tag == "blockquote" else "\n")
        elif tag in self._CELLS:
            self._words.append(" ")

    def end(self, tag: str) -> None:
        if tag in self._UNSEEN:
            self._hidden -= 1
        elif tag in self._LINES:
            self._words.append("\n")

    def data(self, data: str) -> None:
        if not self._hidden:
            self._words.append(_SPACES.sub(" ", data))

    def comment(self, text: str) -> None:
        """Nobody sees it."""

    def close(self) -> str:
        lines = "".join(self._words).split("\n")
        return _BLANK_LINES.sub("\n\n", "\n".join(line.strip() for line in lines)).strip()


def text_of_html(html: str) -> str:
    """What stands on the page, as plain lines."""
    parser = etree.HTMLParser(target=_Words(), no_network=True, encoding="utf-8")
    with suppress(etree.ParseError):  # empty, or nothing but noise
        return str(etree.fromstring(html[: 20 * LONGEST_TEXT].encode("utf-8", "replace"), parser))
    return ""

"""What may be kept of a file that somebody sent: decided by its content alone, never by its name or what the sender claims.

Pictures are painted anew, so nothing but what is seen is left of them: no place, no camera, no second file hidden behind the first.
Whatever is not known to be harmless is refused, in words that the sender's helper can pass on.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from services.tickets.pictures import PICTURES, BadPicture, repainted

MAX_BYTES = 10 * 1024 * 1024
MAX_TOGETHER = 20 * 1024 * 1024
MAX_FILES = 10
# Beyond these the rest is one line: a mail may carry a thousand.
_MAX_NAMED = 20
_MAX_NAME = 120
_UNKNOWN = "application/octet-stream"
_TEXT = "text/plain"
_PDF = "application/pdf"
_TEXT_NAMES = frozenset({"", ".txt", ".log", ".csv", ".md"})
_ENDINGS = {"image/jpeg": ".jpg", _PDF: ".pdf", _TEXT: ".txt"}
# Split, so that no virus scanner takes this file for what it looks for.
_TEST_VIRUS = b"EICAR-STANDARD-ANTI" + b"VIRUS-TEST-FILE"

_ARCHIVE = "An archive is not kept: what is inside cannot be seen. Send the pictures or the PDF themselves."
_PROGRAM = "A program is not kept."
_OFFICE = "An Office document is not kept: it can carry programs. Send it as a PDF or as a picture."
_MARKUP = "A web page or drawing with code in it is not kept. Send a picture of it."
_MEDIA = "A video or sound is not kept. Send a picture, or tell it in words."
_SCRIPT = "A script is not kept."
# What a file begins with, and why such a file is refused. Everything that nothing here or below knows is refused too.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"Rar!", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"MSCF", _ARCHIVE),
    (b"MZ", _PROGRAM),
    (b"\x7fELF", _PROGRAM),
    (b"\xca\xfe\xba\xbe", _PROGRAM),
    (b"\xcf\xfa\xed\xfe", _PROGRAM),
    (b"\xfe\xed\xfa", _PROGRAM),
    (b"dex\n", _PROGRAM),
    (b"\x00asm", _PROGRAM),
    (b"\xd0\xcf\x11\xe0", _OFFICE),
    (b"{\\rtf", _OFFICE),
    (b"ID3", _MEDIA),
    (b"OggS", _MEDIA),
    (b"\x1aE\xdf\xa3", _MEDIA),
)
_HEIC = ("heic", "heix", "hevc", "heim", "heis", "mif1", "msf1", "heif")
_IS_MARKUP = re.compile(rb"\A\s*<(!|\?|%|[a-z][a-z0-9:]*[\s>/])|\AMIME-Version:|<(script|svg|iframe|html|body)[\s>]|javascript:", re.I)
_IS_SCRIPT = re.compile(rb"\A\s*(#!|@echo|powershell|set-executionpolicy|wscript\.|createobject\(|\[autorun\])", re.I)
_ACTIVE_PDF = re.compile(rb"/(JavaScript|Launch|EmbeddedFiles?|RichMedia|GoToE|ImportData|SubmitForm|XFA)(?![A-Za-z])")
_ESCAPED_NAME = re.compile(rb"#([0-9A-Fa-f]{2})")
# Where a ZIP archive's end must stand: a file may be a PDF from its beginning and an archive from its end.
_END_OF_ZIP = 66_000
_MAX_UNPACKED = 32 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    """A file as it came. What it is claimed to be decides nothing."""

    name: str
    claimed_type: str
    content: bytes


@dataclass(frozen=True)
class Checked:
    """What is kept of a file; without `content` it was refused, and `why` says so."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    content: bytes | None = None
    thumbnail: bytes | None = None
    why: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class _Refused(Exception):
    pass


def check_all(files: Sequence[Upload]) -> tuple[Checked, ...]:
    """Judge what came along with one message. Raises nothing: a bad file is one that was refused."""
    checked, together = [], 0
    for number, upload in enumerate(files[:_MAX_NAMED]):
        together += len(upload.content)
        if number >= MAX_FILES:
            checked.append(_refused(upload, f"Only {MAX_FILES} files are taken at once. Send this one in a further message."))
        elif together > MAX_TOGETHER:
            checked.append(_refused(upload, f"Together the files are larger than {MAX_TOGETHER >> 20} MB. Send fewer or smaller ones."))
        else:
            checked.append(check(upload))
    if len(files) > _MAX_NAMED:
        left = files[_MAX_NAMED:]
        rest = Upload(f"{len(left)} more files", "", b"")
        checked.append(_refused(rest, f"Only {MAX_FILES} files are taken at once.", size=sum(len(upload.content) for upload in left)))
    return tuple(checked)


def check(upload: Upload) -> Checked:
    """Judge one file."""
    try:
        return _kept(upload)
    except (_Refused, BadPicture) as refusal:
        return _refused(upload, str(refusal))


def clean_name(name: str, *, ending: str = "") -> str:
    """A name that can be shown and saved: no folder, nothing invisible, no change of direction; with the ending that its content has."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    shown = " ".join(visible.replace('"', "'").split()).strip(". ")
    stem = PurePath(shown).stem if ending else shown
    return (stem[: _MAX_NAME - len(ending)] or "file") + ending


def _kept(upload: Upload) -> Checked:
    content = upload.content
    if not content:
        raise _Refused("The file is empty.")
    if len(content) > MAX_BYTES:
        raise _Refused(f"It is larger than {MAX_BYTES >> 20} MB. Send a smaller one.")
    if _TEST_VIRUS in content:
        raise _Refused("It was recognised as a virus.")
    _refuse_known(content)
    if content.startswith(PICTURES):
        picture = repainted(content)
        return _checked(upload, "image/jpeg", picture.content, thumbnail=picture.thumbnail, facts=picture.facts)
    if content.startswith(b"%PDF-"):
        _refuse_active_pdf(content)
        return _checked(upload, _PDF, content)
    return _checked(upload, _TEXT, _as_text(upload).encode())


def _checked(
    upload: Upload, media_type: str, content: bytes, *, thumbnail: bytes | None = None, facts: dict[str, Any] | None = None
) -> Checked:
    digest = hashlib.sha256(content).hexdigest()
    name = clean_name(upload.name, ending=_ENDINGS[media_type])
    return Checked(name, media_type, len(content), digest, content, thumbnail, facts=facts or {})


def _refused(upload: Upload, why: str, *, size: int | None = None) -> Checked:
    digest = hashlib.sha256(upload.content).hexdigest()
    return Checked(clean_name(upload.name), _UNKNOWN, len(upload.content) if size is None else size, digest, why=why)


def _refuse_known(content: bytes) -> None:
    """Raises _Refused with words for the kinds that people send most often."""
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        is_office = any(part in content for part in (b"word/", b"xl/", b"ppt/", b"mimetypeapplication/vnd.oasis"))
        raise _Refused(_OFFICE if is_office else _ARCHIVE)
    for beginning, why in _BEGINNINGS:
        if content.startswith(beginning):
            raise _Refused(why)
    if content[257:262] == b"ustar":
        raise _Refused(_ARCHIVE)
    if content.startswith(b"RIFF") and content[8:12] != b"WEBP":
        raise _Refused(_MEDIA)
    if content[4:8] == b"ftyp":
        is_photo = content[8:12].decode("latin-1") in _HEIC
        raise _Refused("This kind of photo (HEIC) cannot be read here. Send it as JPEG." if is_photo else _MEDIA)


def _refuse_active_pdf(content: bytes) -> None:
    """A PDF that does something, carries another file, or cannot be looked into. Raises _Refused."""
    plain = _ESCAPED_NAME.sub(lambda match: bytes([int(match[1], 16)]), content)
    if b"/Encrypt" in plain:
        raise _Refused("The PDF is locked, so it cannot be checked. Send it without a password.")
    if _ACTIVE_PDF.search(plain) or any(_ACTIVE_PDF.search(part) for part in _packed_objects(content)):
        raise _Refused("The PDF carries a program, a form or another file. Send it as a picture, or print it into a new PDF.")
    if b"PK\x05\x06" in content[-_END_OF_ZIP:]:
        raise _Refused(_ARCHIVE)


def _packed_objects(content: bytes) -> list[bytes]:
    """What a PDF keeps in object streams, unpacked. Raises _Refused when one cannot be."""
    found, left = [], _MAX_UNPACKED
    for match in re.finditer(rb"stream\r?\n", content):
        begin = max(content.rfind(b" obj", 0, match.start()), match.start() - 4096, 0)
        if b"ObjStm" not in _ESCAPED_NAME.sub(lambda name: bytes([int(name[1], 16)]), content[begin : match.start()]):
            continue
        try:
            part = zlib.decompressobj().decompress(content[match.end() :], left)
        except zlib.error:
            raise _Refused("The PDF is packed in a way that cannot be checked. Print it into a new PDF, or send a picture.") from None
        left -= len(part)
        if left <= 0:
            raise _Refused("The PDF unpacks to far more than it should.")
        found.append(_ESCAPED_NAME.sub(lambda name: bytes([int(name[1], 16)]), part))
    return found


def _as_text(upload: Upload) -> str:
    """Plain words, as UTF-8. Raises _Refused for whatever is something else."""
    content = upload.content.removeprefix(b"\xef\xbb\xbf")
    if _IS_MARKUP.search(content):
        raise _Refused(_MARKUP)
    suffix = PurePath(clean_name(upload.name)).suffix.lower()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _Refused("This kind of file is not kept. Send a picture, a PDF or plain text.") from None
    if any(unicodedata.category(character) == "Cc" and character not in "\t\r\n\f" for character in text):
        raise _Refused("This kind of file is not kept. Send a picture, a PDF or plain text.")
    if suffix not in _TEXT_NAMES or _IS_SCRIPT.search(content):
        raise _Refused(_SCRIPT if _IS_SCRIPT.search(content) else f"A {suffix} file is not kept. Send a picture, a PDF or plain text.")
    return text

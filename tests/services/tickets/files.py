"""Files as strangers send them, good ones and bad ones, made anew for each test."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from PIL import Image

from services.tickets.attachments import Upload

# In two parts, so that no virus scanner takes this file for the real thing.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"
PROGRAM = b"MZ\x90\x00\x03" + b"\x00" * 200
_GPS, _ORIENTATION = 0x8825, 0x0112


def jpeg(width: int = 640, height: int = 480, *, place: bool = False, orientation: int = 1, comment: bytes = b"") -> bytes:
    """A photo, red at its left and blue at its right; with the place where it was taken."""
    picture = Image.new("RGB", (width, height), "blue")
    picture.paste("red", (0, 0, width // 2, height))
    exif = picture.getexif()
    exif[_ORIENTATION] = orientation
    if place:
        exif.get_ifd(_GPS).update({1: "N", 2: (13.0, 27.0, 11.0), 3: "W", 4: (16.0, 34.0, 39.0)})
        exif[0x010F] = "Phone of Awa"
    return saved(picture, "JPEG", exif=exif, comment=comment)


def png(width: int = 64, height: int = 64, *, color: tuple[int, int, int, int] = (0, 128, 0, 255)) -> bytes:
    return saved(Image.new("RGBA", (width, height), color), "PNG")


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def png_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A few kilobytes that say they are gigabytes of picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\x00" * 1_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zip_of(name: str = "inside.txt", content: bytes = b"hello") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return target.getvalue()


def pdf(inside: bytes = b"", *, packed: bytes | None = None) -> bytes:
    """As small as a PDF can be; `packed` goes into an object stream, where nobody sees it at once."""
    stream = b""
    if packed is not None:
        body = zlib.compress(packed)
        stream = b"4 0 obj << /Type /ObjStm /Filter /FlateDecode /Length %d >>\nstream\n" % len(body) + body + b"\nendstream endobj\n"
    return b"%PDF-1.7\n1 0 obj << /Type /Catalog " + inside + b" >> endobj\n" + stream + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def upload(content: bytes, name: str = "photo.jpg", claimed: str = "image/jpeg") -> Upload:
    return Upload(name, claimed, content)

"""Photos as phones take them: noise, which no encoder makes small; with whatever a camera writes into them."""

from __future__ import annotations

import random
from typing import Any

from PIL import Image

from tests.services.tickets.files import saved

_EXIF, _GPS = 0x8769, 0x8825


def noise(seed: int, *, width: int = 160, height: int = 120) -> bytes:
    """A JPEG of about 0.6 bytes a point, another one for each seed."""
    points = random.Random(seed).randbytes(width * height * 3)
    return saved(Image.frombytes("RGB", (width, height), points), "JPEG", quality=75)


def tagged(exif: dict[int, Any], gps: dict[int, Any] | None = None) -> bytes:
    """A JPEG whose camera wrote these tags of the Exif and GPS directories."""
    picture = Image.new("RGB", (40, 30), "blue")
    tags = picture.getexif()
    tags.get_ifd(_EXIF).update(exif)
    tags.get_ifd(_GPS).update(gps or {})
    return saved(picture, "JPEG", exif=tags)

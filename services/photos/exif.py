"""When and where a photo was taken, as its camera wrote into it (Exif 2.32, §4.6.5 and §4.6.6). Cameras write all kinds of nonsense."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from PIL import Image

_EXIF, _GPS = 0x8769, 0x8825
_TAKEN, _ZONE = 0x9003, 0x9011
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Taken:
    """What is known of it; the place has both numbers or neither."""

    at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


NOTHING_KNOWN = Taken()


def taken(content: bytes, *, now: datetime) -> Taken:
    """What a JPEG says. Nothing for other kinds, for nonsense, and for a time that is not yet."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as opened:
            found = opened.getexif()
            return Taken(_moment(found.get_ifd(_EXIF), now=now), *_place(found.get_ifd(_GPS)))
    except Exception:
        # Readers of a format that everybody writes as they like raise whatever they like; the photo is none the worse.
        return NOTHING_KNOWN


def _moment(exif: Mapping[int, Any], *, now: datetime) -> datetime | None:
    try:
        text = str(exif[_TAKEN]).strip("\x00 ") + str(exif.get(_ZONE, "+00:00")).strip("\x00 ")
        # Without a zone it is the camera's own time: The Gambia's is UTC.
        at = datetime.strptime(text, "%Y:%m:%d %H:%M:%S%z").astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None
    return at if _EARLIEST <= at <= now else None


def _place(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    latitude, longitude = _degrees(gps, 1, "S", 90), _degrees(gps, 3, "W", 180)
    return (latitude, longitude) if latitude is not None and longitude is not None else (None, None)


def _degrees(gps: Mapping[int, Any], number: int, negative: str, most: int) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in gps[number + 1])
        sign = -1 if str(gps[number]).strip("\x00 ").upper() == negative else 1
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    value = sign * (degrees + minutes / 60 + seconds / 3600)
    return value if math.isfinite(value) and abs(value) <= most else None

"""Pictures that strangers sent, painted anew: the same to the eye, and nothing else of the file is left."""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

MAX_PIXELS = 40_000_000
LONGEST_SIDE = 2560
THUMBNAIL_SIDE = 320
_QUALITY, _THUMBNAIL_QUALITY = 82, 72
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF87a", b"GIF89a")
"""How files begin that are read as pictures."""
# Larger ones are refused by their header, before anything is unpacked.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # up to twice that Pillow only warns; `_painted` refuses
# A picture of that size takes 160 MB while it is read: one at a time, however many come at once.
_one_at_a_time = threading.BoundedSemaphore(1)


class BadPicture(Exception):
    """Says in words why a picture is not kept."""


@dataclass(frozen=True)
class Picture:
    content: bytes
    thumbnail: bytes
    facts: dict[str, Any]


def repainted(content: bytes) -> Picture:
    """A JPEG of what is seen in the picture, upright, at most LONGEST_SIDE wide or high. Raises BadPicture."""
    try:
        with _one_at_a_time:
            return _painted(content)
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except Exception:
        # The readers of a dozen formats raise whatever they like on a broken file; all of it means the same.
        raise BadPicture("The picture cannot be read. Take it anew, or send it as JPEG.") from None


def _painted(content: bytes) -> Picture:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_large()
        size = (opened.width, opened.height)
        # Reads a large JPEG at a fraction of its size: much less time and memory.
        opened.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        upright = ImageOps.exif_transpose(opened)
        # A new one, so that no comment, profile or other word of the old file goes along.
        paper = Image.new("RGB", upright.size, "white")
        if upright.has_transparency_data:
            layer = upright.convert("RGBA")
            paper.paste(layer, mask=layer.getchannel("A"))
        else:
            paper.paste(upright.convert("RGB"))
    small = paper.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    facts = {"width": paper.width, "height": paper.height, "sent_width": size[0], "sent_height": size[1]}
    return Picture(_as_jpeg(paper, _QUALITY), _as_jpeg(small, _THUMBNAIL_QUALITY), facts)


def _as_jpeg(picture: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return target.getvalue()


def _too_large() -> BadPicture:
    return BadPicture(f"The picture has more than {MAX_PIXELS // 1_000_000} million points. Send a smaller one.")

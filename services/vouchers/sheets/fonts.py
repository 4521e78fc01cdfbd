"""The letters of printed sheets: Noto Sans with Latin, Greek and Cyrillic, embedded, so that a sheet looks alike on every printer.

PDF's own fonts know Latin-1 only, which has no ŋ. The two files are cut from Noto Sans 2.015 (© The Noto Project Authors, SIL Open Font
License 1.1, `fonts/OFL.txt`) with fonttools: `pyftsubset` to the blocks above, `fonttools varLib.instancer` at weights 400 and 700.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import TTFFont

_DIRECTORY = Path(__file__).parent / "fonts"
REGULAR, BOLD = _DIRECTORY / "NotoSans-Regular.ttf", _DIRECTORY / "NotoSans-Bold.ttf"
MISSING = "?"
# Not the no-break space: that one is meant.
_BLANKS = re.compile(r"[ \t\r\n]+")


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    pdf = FPDF()
    pdf.add_font("known", "", REGULAR)
    font = pdf.fonts["known"]
    assert isinstance(font, TTFFont)
    known = frozenset(map(chr, font.cmap))
    font.close()
    return known


@lru_cache(maxsize=256)
def printable(text: str) -> str:
    """The text as it can be printed: marks that the font has not come off their letter, and what is left of it becomes a `?`."""
    return "".join(character if character in _known() else _nearest(character) for character in _composed(text))


def _nearest(character: str) -> str:
    plain = "".join(one for one in unicodedata.normalize("NFKD", character) if one in _known() and not unicodedata.combining(one))
    return plain or MISSING


def unprintable(text: str) -> str:
    """The characters that would become something else on paper, each once."""
    return "".join(dict.fromkeys(character for character in _composed(text) if character not in _known()))


def _composed(text: str) -> str:
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip()

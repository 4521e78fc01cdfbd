"""Draws cards into a PDF. Nothing here knows of the database; a sheet of a thousand stays within seconds and some tens of megabytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Literal

import segno
from fpdf import FPDF

from services.vouchers.sheets.fonts import BOLD, REGULAR, printable
from services.vouchers.sheets.layouts import Box, Paper
from services.vouchers.sheets.wording import BRAND, STEPS, Card

Align = Literal["left", "center", "right"]
_FAMILY = "noto"
_POINT = 25.4 / 72
# Letters from their foot to the next line's, and how far a first line's foot stands below its top, in sizes of the letter.
_LEADING, _ASCENT = 1.22, 0.98
_PADDING, _SQUARE = 2.3, 22.0
# Choosing the best of the eight patterns takes six times as long as all the rest of a code; each of them is read as well.
_QR_PATTERN = 2
# A J at the start of a line reaches this far to the left of where the line begins, and a printer of receipts prints nothing there.
_OVERHANG = 0.5
_SMALLER = (1.0, 0.9, 0.8)
_SCAN = "Scan to log in"
_CUT, _CUT_GREY = 2.0, 120


def sheet(cards: Iterable[Card], paper: Paper, *, title: str) -> bytes:
    """A PDF of the cards in their order."""
    pdf = FPDF(unit="mm", format=(paper.width, paper.height))
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.set_title(printable(title))
    pdf.set_creator(BRAND)
    pdf.add_font(_FAMILY, "", REGULAR)
    pdf.add_font(_FAMILY, "B", BOLD)
    pen, waiting = _Pen(pdf), iter(cards)
    while on_page := list(islice(waiting, paper.cards_on_page)):
        pdf.add_page()
        for card, box in zip(on_page, paper.boxes(), strict=False):
            (_roll_card if paper.is_roll else _card)(pen, card, box, paper.scale)
        if not paper.is_roll:
            _cut_marks(pdf, paper)
    return bytes(pdf.output())


class _Pen:
    """Writes lines of text that stay inside the width they are given."""

    def __init__(self, pdf: FPDF) -> None:
        self.pdf = pdf
        self._font: tuple[str, float] | None = None
        self._widths: dict[tuple[str, bool], float] = {}

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        # At a size of 1, because widths grow with it: most of what stands on a card stands on all of them.
        if (text, bold) not in self._widths:
            self._use(size, bold)
            self._widths[text, bold] = float(self.pdf.get_string_width(text)) / size
        return self._widths[text, bold] * size

    def _use(self, size: float, bold: bool) -> None:
        wanted = ("B" if bold else "", size)
        if wanted != self._font:
            self.pdf.set_font(_FAMILY, *wanted)
            self._font = wanted

    def line(
        self, text: str, x: float, top: float, width: float, size: float, *, bold: bool = False, align: Align = "left", least: float = 0.9
    ) -> float:
        """One line, a little smaller or cut short where it would not fit. Answers where the next one begins."""
        text, size = self._fitted(printable(text), width, size, bold=bold, least=least)
        own = self.width(text, size, bold=bold) if align != "left" else 0.0
        begins = x + {"left": 0.0, "right": width - own, "center": (width - own) / 2}[align]
        self._use(size, bold)
        self.pdf.text(begins, top + size * _POINT * _ASCENT, text)
        return top + size * _POINT * _LEADING

    def _fitted(self, text: str, width: float, size: float, *, bold: bool, least: float) -> tuple[str, float]:
        own = self.width(text, size, bold=bold)
        if own <= width:
            return text, size
        smaller = max(width / own, least) * size * 0.995
        while text and self.width(text, smaller, bold=bold) > width:
            text = text.rstrip("…")[:-1].rstrip() + "…" if len(text) > 1 else ""
        return text, smaller

    def block(
        self, text: str, x: float, top: float, width: float, size: float, *, most: int, bold: bool = False, align: Align = "left"
    ) -> float:
        """At most so many lines, all smaller if need be: what is still too long for them ends in an ellipsis."""
        lines: list[str] = []
        for share in _SMALLER:
            lines = self._wrapped(printable(text), width, size * share, bold=bold)
            if len(lines) <= most:
                break
        size *= share
        shown = [*lines[: most - 1], " ".join(lines[most - 1 :])] if len(lines) > most else lines
        for one in shown:
            top = self.line(one.removesuffix(" ·"), x, top, width, size, bold=bold, align=align, least=1.0)
        return top

    def _wrapped(self, text: str, width: float, size: float, *, bold: bool) -> list[str]:
        lines: list[str] = []
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer, size, bold=bold) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines


def _card(pen: _Pen, card: Card, box: Box, scale: float) -> None:
    """Words on the left, the square on the right, the small print below both."""
    padding, side = _PADDING * scale, _SQUARE * scale
    x, width = box.x + padding, box.width - 3 * padding - side
    top = box.y + padding * 0.8
    square_x = box.right - padding - side
    _qr(pen.pdf, card.link, square_x, top, side)
    pen.line(_SCAN, square_x, top + side + 0.5 * scale, side, 5.2 * scale, align="center")

    pen.line(BRAND, x, top, width * 0.5, 8 * scale, bold=True)
    pen.line(card.price, x + width * 0.4, top, width * 0.6, 8 * scale, bold=True, align="right")
    top += 3.7 * scale
    top = pen.block(card.package, x, top, width, 7 * scale, most=2, bold=True)
    top = pen.block(card.terms, x, top, width, 5.5 * scale, most=2)

    # From below, so that the code stands at one place whatever the name's length.
    foot = box.bottom - padding * 0.75 - 2 * 4.9 * scale * _POINT * _LEADING
    steps = foot - 0.4 * scale - len(STEPS) * 5.2 * scale * _POINT * _LEADING
    code = steps - 0.4 * scale - 10.6 * scale * _POINT * _LEADING
    pen.line(card.code, x, code, width, 10.6 * scale, bold=True, least=0.7)
    _steps(pen, x, steps, width, 5.2 * scale)
    _small_print(pen, card, x, foot, box.width - 2 * padding, 4.9 * scale)


def _steps(pen: _Pen, x: float, top: float, width: float, size: float) -> float:
    indent = pen.width("3. ", size)
    for number, step in enumerate(STEPS, start=1):
        pen.line(f"{number}.", x, top, indent, size)
        top = pen.line(step, x + indent, top, width - indent, size, least=0.8)
    return top


def _small_print(pen: _Pen, card: Card, x: float, top: float, width: float, size: float) -> None:
    """Until when on the left, which one it is on the right; who sells it below."""
    number = min(pen.width(printable(card.number), size), width * 0.45)
    pen.line(card.number, x + width - number, top, number, size, align="right")
    below = pen.line(card.window, x, top, width - number - 1, size)
    if card.seller:
        pen.line(card.seller, x, below, width, size)


def _roll_card(pen: _Pen, card: Card, box: Box, scale: float) -> None:
    """All in one column, as a receipt."""
    x, width = box.x + _OVERHANG, box.width - 2 * _OVERHANG
    top = pen.line(BRAND, x, box.y, width, 12, bold=True, align="center")
    top = pen.block(card.package, x, top, width, 10, most=2, bold=True, align="center")
    top = pen.block(card.terms, x, top, width, 7.5, most=2, align="center")
    top = pen.line(card.price, x, top, width, 14, bold=True, align="center") + 1
    side = 30.0
    _qr(pen.pdf, card.link, x + (width - side) / 2, top, side)
    top = pen.line(_SCAN, x, top + side + 0.8, width, 7, align="center")
    top = pen.line(card.code, x, top, width, 14, bold=True, align="center", least=0.7) + 0.5
    top = _steps(pen, x, top, width, 7.2) + 1
    for said in filter(None, (card.window, card.number, card.seller)):
        top = pen.block(said, x, top, width, 6.5, most=2, align="center")


def _qr(pdf: FPDF, link: str, x: float, y: float, side: float) -> None:
    """As one inline picture of a bit a module (PDF 32000-1, 8.9.7): rectangles would leave hairlines between rows on some printers."""
    rows: Sequence[bytearray] = segno.make(link, error="m", micro=False, boost_error=False, mask=_QR_PATTERN).matrix
    count = len(rows)
    bits = "".join(_packed(row) for row in rows)
    scale, width = pdf.k, side * pdf.k
    left, bottom = x * scale, (pdf.h - y - side) * scale
    picture = f"/W {count} /H {count} /BPC 1 /IM true /D [1 0] /F /AHx"
    pdf._out(f"q 0 g {width:.3f} 0 0 {width:.3f} {left:.3f} {bottom:.3f} cm BI {picture} ID {bits}> EI Q")


def _packed(row: bytearray) -> str:
    padded = bytes(row) + bytes(-len(row) % 8)
    number = int("".join("1" if module else "0" for module in padded), 2)
    return f"{number:0{len(padded) // 4}x}"


def _cut_marks(pdf: FPDF, paper: Paper) -> None:
    """Strokes in the margin at each cut, and a small cross where four cards meet."""
    pdf.set_draw_color(_CUT_GREY)
    pdf.set_line_width(0.15)
    xs = [paper.margin_x + number * paper.card_width for number in range(paper.columns + 1)]
    ys = [paper.margin_y + number * paper.card_height for number in range(paper.rows + 1)]
    gap, half = 0.8, _CUT / 2
    for x in xs:
        pdf.line(x, paper.margin_y - gap - 2 * _CUT, x, paper.margin_y - gap)
        pdf.line(x, paper.height - paper.margin_y + gap, x, paper.height - paper.margin_y + gap + 2 * _CUT)
    for y in ys:
        pdf.line(paper.margin_x - gap - 2 * _CUT, y, paper.margin_x - gap, y)
        pdf.line(paper.width - paper.margin_x + gap, y, paper.width - paper.margin_x + gap + 2 * _CUT, y)
    for x in xs[1:-1]:
        for y in ys[1:-1]:
            pdf.line(x - half, y, x + half, y)
            pdf.line(x, y - half, x, y + half)

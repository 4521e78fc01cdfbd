"""The report as a PDF of one or two pages, to be signed and put into a folder."""

from __future__ import annotations

from collections.abc import Sequence

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from services.payments.reconciliation.reports import Report
from services.vouchers.sheets.fonts import BOLD, REGULAR, printable

_FONT, _SIZE, _LINE = "Noto Sans", 9.5, 6.0
_INK, _SOFT, _RULE, _BAND = (28, 36, 44), (96, 108, 118), (206, 212, 218), (241, 244, 246)
_MARGIN, _WIDTH = 18.0, 174.0
Row = tuple[str, str, str]


def as_pdf(shown: Report) -> bytes:
    pdf = _Paper(shown)
    wave = shown.wave
    pdf.block(
        "At Wave",
        ("", "Payments", "Sum"),
        [
            ("Gross: what customers paid", f"{wave.payments:,}", _money(wave.gross)),
            ("Wave's fees", "", _money(-wave.fees)),
            ("Refunds, gross", "", _money(-wave.refunds)),
            ("Fees that came back with them", "", _money(wave.fees_back)),
            ("Net: what stayed in the wallet", "", _money(wave.net)),
        ],
        last_is_sum=True,
    )
    pdf.block(
        "In our books",
        ("", "Payments", "Sum"),
        [
            ("Paid", f"{shown.taken.number:,}", _money(shown.taken.bututs)),
            ("Given back", "", _money(-shown.given_back_bututs)),
            ("Taken off by promo codes", "", _money(shown.taken.discount_bututs)),
        ],
    )
    for title, parts in (("By package", shown.packages), ("By site", shown.sites), ("By channel", shown.channels)):
        pdf.block(title, ("", "Payments", "Sum"), [(one.name, f"{one.taken.number:,}", _money(one.taken.bututs)) for one in parts])
    found = [
        (one.kind.value.replace("_", " ").capitalize(), f"{one.open:,} open", f"{one.decided:,} decided, {one.gone:,} gone")
        for one in shown.found
    ]
    pdf.block("What did not agree", ("", "", ""), found, otherwise="Nothing: the three sides agree.")
    pdf.block("Open on the clearing accounts at the end", ("", "", "Balance"), [(name, "", _money(sum_)) for name, sum_ in shown.clearing])
    pdf.signatures()
    return bytes(pdf.output())


class _Paper(FPDF):
    def __init__(self, shown: Report) -> None:
        super().__init__(format="A4")
        self._shown = shown
        self.set_margins(_MARGIN, 16, _MARGIN)
        self.set_auto_page_break(True, margin=20)
        self.add_font(_FONT, "", REGULAR)
        self.add_font(_FONT, "B", BOLD)
        self.set_title(f"INET money report, {shown.title}")
        self.add_page()
        self._text(18, "B", f"Money report, {shown.title}", 9)
        self._text(_SIZE, "", f"INET. Days end at midnight in Banjul (UTC). Made {shown.made_at:%d.%m.%Y %H:%M}.", 6, soft=True)
        self.ln(3)

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(_FONT, "", 8)
        self.set_text_color(*_SOFT)
        self.cell(0, 6, f"{self._shown.title}, page {self.page_no()} of {{nb}}", align="R")

    def block(
        self, title: str, head: Row, rows: Sequence[Row], *, otherwise: str = "Nothing in these days.", last_is_sum: bool = False
    ) -> None:
        # A heading at the foot of a page, without a row below it, helps nobody.
        if self.will_page_break(_LINE * 3 + 6):
            self.add_page()
        self.ln(3)
        self._text(11.5, "B", title, 7)
        if not rows:
            self._text(_SIZE, "", otherwise, _LINE, soft=True)
            return
        if any(head):
            self._row(head, "", is_head=True)
        for number, row in enumerate(rows):
            self._row(row, "B" if last_is_sum and number == len(rows) - 1 else "")

    def _row(self, row: Row, style: str, *, is_head: bool = False) -> None:
        self.set_font(_FONT, style, 8.5 if is_head else _SIZE)
        self.set_text_color(*(_SOFT if is_head else _INK))
        self.set_draw_color(*_RULE)
        self.set_fill_color(*_BAND)
        widths = (_WIDTH * 0.52, _WIDTH * 0.18, _WIDTH * 0.30)
        for width, text, align in zip(widths, row, ("L", "R", "R"), strict=True):
            self.cell(width, _LINE, self._fitting(text, width - 2), border="B", align=align, fill=style == "B")
        self.ln(_LINE)

    def _fitting(self, text: str, width: float) -> str:
        text = printable(text) if text else ""
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(text + "…") > width:
            text = text[:-1]
        return text + "…"

    def _text(self, size: float, style: str, text: str, height: float, *, soft: bool = False) -> None:
        self.set_font(_FONT, style, size)
        self.set_text_color(*(_SOFT if soft else _INK))
        self.cell(0, height, printable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def signatures(self) -> None:
        if self.will_page_break(26):
            self.add_page()
        self.ln(16)
        self.set_font(_FONT, "", 8.5)
        self.set_text_color(*_SOFT)
        self.set_draw_color(*_SOFT)
        for words in ("Made by, date", "Checked by, date"):
            self.cell(_WIDTH * 0.42, 6, words, border="T")
            self.cell(_WIDTH * 0.08, 6, "")


def _money(bututs: int) -> str:
    sign = "-" if bututs < 0 else ""
    return f"{sign}D {abs(bututs) // 100:,}.{abs(bututs) % 100:02}"

"""Printed sheets are painted as a printer would, looked at, and their squares read back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise, product

import pypdfium2
import pytest
import zxingcpp

from services.vouchers import codes
from services.vouchers.sheets import drawing
from services.vouchers.sheets.fonts import printable, unprintable
from services.vouchers.sheets.layouts import PAPERS, Box, Layout
from services.vouchers.sheets.wording import Card
from tests.services.vouchers.sheets.builders import a_card

_POINTS = 72 / 25.4
LONG = "The family package of the whole compound, for weekends and holidays, with a name of 80 "[:80]
SELLER = "Modou Ñjaay & Sons General Trading Enterprise of Kañeŋ, Serekunda Market, Kairaba Avenue, " * 2


@contextmanager
def opened(pdf: bytes) -> Iterator[pypdfium2.PdfDocument]:
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        yield document


def squares_of(page: pypdfium2.PdfPage, *, scale: float = 2.5) -> list[zxingcpp.Barcode]:
    return list(zxingcpp.read_barcodes(page.render(scale=scale).to_pil(), formats=zxingcpp.BarcodeFormat.QRCode))


def letters_of(page: pypdfium2.PdfPage) -> list[tuple[str, Box]]:
    """Each letter, and where it stands in millimetres from the page's top left corner."""
    text = page.get_textpage()
    found = []
    for index in range(text.count_chars()):
        character = text.get_text_range(index, 1)
        if character.strip():
            left, bottom, right, top = text.get_charbox(index)
            height = page.get_height()
            box = Box(left / _POINTS, (height - top) / _POINTS, (right - left) / _POINTS, (top - bottom) / _POINTS)
            found.append((character, box))
    return found


def holds(outer: Box, inner: Box) -> bool:
    return outer.x <= inner.x and outer.y <= inner.y and inner.right <= outer.right and inner.bottom <= outer.bottom


def long_cards(count: int) -> list[Card]:
    terms = "2 days 6 hours · no data limit · 512 kbit/s · 20 devices at once"
    return [a_card(number=99_000 + number, package=LONG, seller=SELLER, terms=terms) for number in range(count)]


@pytest.mark.parametrize("layout", Layout)
def test_every_square_of_a_sheet_is_read_back_in_its_place(layout: Layout) -> None:
    paper = PAPERS[layout]
    cards = [a_card(number=number) for number in range(1, paper.cards_on_page + 2)]
    with opened(drawing.sheet(cards, paper, title="Vouchers")) as document:
        assert len(document) == 2
        read = [one.text for page in document for one in sorted(squares_of(page), key=_row_by_row)]
    assert read == [card.link for card in cards]


def _row_by_row(square: zxingcpp.Barcode) -> tuple[int, int]:
    corner = square.position.top_left
    return round(corner.y / 40), corner.x


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("are_long", [False, True])
def test_no_letter_leaves_its_card(layout: Layout, are_long: bool) -> None:
    paper = PAPERS[layout]
    cards = long_cards(paper.cards_on_page) if are_long else [a_card() for _ in range(paper.cards_on_page)]
    with opened(drawing.sheet(cards, paper, title="Vouchers")) as document:
        assert len(document) == 1
        found = letters_of(document[0])
    boxes = list(paper.boxes())
    astray = [letter for letter, box in found if sum(holds(outer, box) for outer in boxes) != 1]
    assert len(found) > 100
    assert astray == []


@pytest.mark.parametrize("layout", Layout)
def test_no_code_leaves_its_card_whichever_letter_it_begins_and_ends_with(layout: Layout) -> None:
    paper = PAPERS[layout]
    # Of the widest letter between them, so that the line is as wide as the card lets it be.
    shown = [codes.show_code(edge + "W" * 12 + edge) for edge in codes.ALPHABET]
    with opened(drawing.sheet([a_card(code=code) for code in shown], paper, title="Vouchers")) as document:
        found = [letter for page in document for letter in letters_of(page)]
    boxes = list(paper.boxes())
    assert {letter for letter, _ in found} >= set(codes.ALPHABET)
    assert [letter for letter, box in found if sum(holds(outer, box) for outer in boxes) != 1] == []


@pytest.mark.parametrize("layout", Layout)
def test_lines_of_a_card_do_not_run_into_each_other_or_the_square(layout: Layout) -> None:
    paper = PAPERS[layout]
    with opened(drawing.sheet(long_cards(1), paper, title="Vouchers")) as document:
        page = document[0]
        (square,) = squares_of(page)
        corner = square.position
        found = letters_of(page)
    pixels = 2.5 * _POINTS
    inside = Box(
        corner.top_left.x / pixels,
        corner.top_left.y / pixels,
        (corner.top_right.x - corner.top_left.x) / pixels,
        (corner.bottom_left.y - corner.top_left.y) / pixels,
    )
    assert not [letter for letter, box in found if _overlap(inside, box)]
    # Two letters of the same line may kern into each other by a hair; those of two lines may not touch.
    touching = [(a, b) for (a, one), (b, two) in product(found, found) if one.y + 0.5 < two.y and _overlap(one, two, by=0.12)]
    assert [pair for pair in touching if not set(pair) & set("Ññŋéqgjpy,·“”’-….")] == []


def _overlap(one: Box, two: Box, *, by: float = 0.0) -> bool:
    return min(one.right, two.right) - max(one.x, two.x) > by and min(one.bottom, two.bottom) - max(one.y, two.y) > by and one is not two


@pytest.mark.parametrize("layout", Layout)
def test_cards_of_a_page_neither_overlap_nor_leave_it(layout: Layout) -> None:
    paper = PAPERS[layout]
    page, boxes = Box(0, 0, paper.width, paper.height), list(paper.boxes())
    assert len(boxes) == paper.cards_on_page
    assert all(holds(page, box) for box in boxes)
    assert not [1 for one, two in pairwise(boxes) if _overlap(one, two, by=1e-6)]


def test_names_are_printed_as_they_are_written() -> None:
    card = a_card(package="Jàmm ak ñaan, Ŋoone", seller="Sold by Nœël Đoŋ · Кафе")
    with opened(drawing.sheet([card], PAPERS[Layout.LARGE], title="Vouchers")) as document:
        said = document[0].get_textpage().get_text_range()
    assert "Jàmm ak ñaan, Ŋoone" in said
    assert "Nœël Đoŋ · Кафе" in said
    assert card.code in said


def test_what_the_font_does_not_have_is_told_and_becomes_a_question_mark() -> None:
    assert printable("Souk سوق \U0001f33f ①") == "Souk ??? ? 1"
    assert unprintable("Souk سوقس \U0001f33f") == "سوق\U0001f33f"
    assert unprintable("Kañeŋ Ŋ é – “D 50”") == ""


def test_a_line_of_one_endless_word_ends_in_an_ellipsis() -> None:
    with opened(drawing.sheet([a_card(package="W" * 80)], PAPERS[Layout.CARDS], title="Vouchers")) as document:
        said = document[0].get_textpage().get_text_range()
    assert "WWW" in said
    assert "…" in said

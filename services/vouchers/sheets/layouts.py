"""What a sheet is cut into: paper, and where the cards stand on it. All measures are millimetres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Layout(StrEnum):
    CARDS = "cards"
    LARGE = "large"
    ROLL = "roll"


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True)
class Paper:
    """A page of `columns` × `rows` cards with no gap between them, so that one cut parts two. `scale` is that of letters and lines."""

    width: float
    height: float
    columns: int
    rows: int
    margin_x: float
    margin_y: float
    scale: float
    # The square stands below the words on a narrow roll, and beside them on a card.
    is_roll: bool = False

    @property
    def cards_on_page(self) -> int:
        return self.columns * self.rows

    @property
    def card_width(self) -> float:
        return (self.width - 2 * self.margin_x) / self.columns

    @property
    def card_height(self) -> float:
        return (self.height - 2 * self.margin_y) / self.rows

    def boxes(self) -> Iterator[Box]:
        """Where the cards of one page stand, row by row."""
        for row in range(self.rows):
            for column in range(self.columns):
                yield Box(
                    self.margin_x + column * self.card_width, self.margin_y + row * self.card_height, self.card_width, self.card_height
                )


# Margins are what an office printer cannot reach; a 58 mm printer prints 48 of them, and each voucher is a page, where it cuts.
PAPERS = {
    Layout.CARDS: Paper(210, 297, 3, 8, 8, 8, 1.0),
    Layout.LARGE: Paper(210, 297, 2, 5, 8, 8, 1.5),
    Layout.ROLL: Paper(58, 104, 1, 1, 5, 4, 1.3, is_roll=True),
}

"""The sentences that the shipped model learns from: data/*.jsonl, written for this product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.tickets.triage.labels import Category
from services.tickets.triage.text import ticket_text

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Example:
    """A ticket whose category is known. `also` are its further subjects; `weight` counts it that many times."""

    text: str
    category: Category
    also: tuple[Category, ...] = ()
    language: str = "en"
    weight: float = 1.0


def own_examples() -> list[Example]:
    """Our sentences and the descriptions of the categories, in a fixed order."""
    return [example for category in Category for example in _read(DATA / f"{category}.jsonl")]


def _read(path: Path) -> Iterator[Example]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Example(
            text=ticket_text(row["subject"], row["body"]),
            category=Category(row["category"]),
            also=tuple(Category(name) for name in row["also"]),
            language=row["lang"],
        )

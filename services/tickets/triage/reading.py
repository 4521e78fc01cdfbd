"""What triage says of one ticket, each part with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.tickets.triage.entities import Entity
from services.tickets.triage.labels import Category, Priority
from services.tickets.triage.language import Language
from services.tickets.triage.sentiment import Sentiment

Source = Literal["rule", "model", "provider"]


@dataclass(frozen=True)
class Alternative:
    category: Category
    confidence: float


@dataclass(frozen=True)
class Reading:
    """`category` is the likeliest one even where it abstains; `decided` is what may be acted on without a person.

    `confidence` is calibrated: of readings at 0.8, eight in ten are right. `vector` is the text's meaning, to be kept beside the ticket:
    duplicates and retraining need it, and computing it is most of what a reading costs.
    """

    category: Category
    confidence: float
    abstain: bool
    alternatives: tuple[Alternative, ...]
    priority: Priority
    priority_reason: str
    language: Language
    sentiment: Sentiment
    entities: tuple[Entity, ...]
    reasons: tuple[str, ...]
    source: Source
    model_version: str
    vector: bytes | None = None
    fallback: str | None = None  # why the configured provider did not decide, where one is configured

    @property
    def decided(self) -> Category | None:
        return None if self.abstain else self.category

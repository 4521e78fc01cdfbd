"""From a ticket to a `Reading`: rules of certainty first, then the model, and a person where neither is sure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.tickets.triage.encoder import Encoder, installed_encoder
from services.tickets.triage.entities import KnownNames, find_entities
from services.tickets.triage.explain import share_known, speaking_words
from services.tickets.triage.facts import Facts, certainties
from services.tickets.triage.labels import CATEGORIES, COLUMN, Category
from services.tickets.triage.language import Language, language_of
from services.tickets.triage.memory import CERTAINLY, Memory, follow
from services.tickets.triage.model import Model, load
from services.tickets.triage.priority import urgency
from services.tickets.triage.reading import Alternative, Reading, Source
from services.tickets.triage.sentiment import sentiment_of
from services.tickets.triage.text import has_words, ticket_text
from services.tickets.triage.vectors import packed

Vector = npt.NDArray[np.float32]

# The encoder understands English; of other languages the model knows some sentences, so it has to be surer before it is believed.
_SURE_IN_OTHER_LANGUAGE = {"en": 0.0, "fr": 0.75}
_SURE_IN_UNKNOWN_LANGUAGE = 0.9
_KNOWN_WORDS = 0.25
_CERTAIN = 0.99
# How far a text of unknown words is from being judged at all.
_NOTHING_KNOWN = np.float32(0.7)
_EVEN = np.full(len(CATEGORIES), 1 / len(CATEGORIES), dtype=np.float32)
_ALTERNATIVES = 3


@dataclass(frozen=True)
class _Judgement:
    probabilities: Vector
    vector: Vector | None
    doubts: tuple[str, ...]
    reasons: tuple[str, ...]
    source: Source = "model"

    def overruled(self, category: Category, reason: str) -> _Judgement:
        return _Judgement(follow(self.probabilities, category, _CERTAIN), self.vector, (), (reason,), "rule")


class Triage:
    """Reads tickets with one model. Thread-safe; holds no ticket except those it was taught."""

    def __init__(self, model: Model, encoder: Encoder | None, memory: Memory | None = None) -> None:
        self.model, self.encoder = model, encoder
        self.memory = memory if memory is not None else Memory()

    def read(self, subject: str, body: str, facts: Facts | None = None, names: KnownNames | None = None) -> Reading:
        """Never raises for what a customer wrote, and never answers outside the list."""
        facts = facts or Facts()
        text = ticket_text(subject, body)
        language = language_of(text)
        judged = self._judge(text, language)
        certain = next(certainties(facts), None)
        if certain is not None:
            judged = judged.overruled(certain.category, f"Known, not read: {certain.reason}")
        return self._reading(text, language, facts, names, judged)

    def _judge(self, text: str, language: Language) -> _Judgement:
        if not has_words(text):
            return _Judgement(_EVEN, None, ("There are no words to read.",), ())
        vector = self.encoder.encode([text])[0] if self.encoder is not None else None
        probabilities = self.model.predict_from([text], vector[None] if vector is not None else None)[0]
        reasons: list[str] = []
        recalled = self.memory.recall(text, vector)
        if recalled is not None:
            probabilities = follow(probabilities, *recalled)
            reasons.append(f"Staff put a ticket like this one under {recalled[0]}.")
        unread = recalled is None and share_known(self.model, text) < _KNOWN_WORDS
        if unread:
            probabilities = _NOTHING_KNOWN * _EVEN + (1 - _NOTHING_KNOWN) * probabilities
        category = CATEGORIES[int(probabilities.argmax())]
        if words := speaking_words(self.model, text, COLUMN[category]):
            reasons.append(f"Words that speak for {category}: {', '.join(f'“{word}”' for word in words)}.")
        doubts = () if recalled is not None and recalled[1] >= CERTAINLY else self._doubts(language, float(probabilities.max()), unread)
        return _Judgement(probabilities, vector, doubts, tuple(reasons))

    def _doubts(self, language: Language, confidence: float, unread: bool) -> tuple[str, ...]:
        """Why a person has to decide; empty when nobody has to."""
        if unread:
            return ("Hardly a word of it was met before.",)
        wanted = max(self.model.calibration(self.encoder).threshold, _SURE_IN_OTHER_LANGUAGE.get(language.code, _SURE_IN_UNKNOWN_LANGUAGE))
        if confidence >= wanted:
            return ()
        if language.code != "en":
            return (f"The language is {language.name}; {confidence:.0%} sure is too little for it ({wanted:.0%}).",)
        return (f"Only {confidence:.0%} sure; below {wanted:.0%} a person decides.",)

    def _reading(self, text: str, language: Language, facts: Facts, names: KnownNames | None, judged: _Judgement) -> Reading:
        probabilities = judged.probabilities
        order = np.argsort(-probabilities, kind="stable")
        category = CATEGORIES[int(order[0])]
        urgent = urgency(text, category, facts)
        return Reading(
            category=category,
            confidence=round(float(probabilities[order[0]]), 4),
            abstain=bool(judged.doubts),
            alternatives=tuple(Alternative(CATEGORIES[int(at)], round(float(probabilities[at]), 4)) for at in order[1 : 1 + _ALTERNATIVES]),
            priority=urgent.priority,
            priority_reason=urgent.reason,
            language=language,
            sentiment=sentiment_of(text),
            entities=find_entities(text, names),
            reasons=(*judged.doubts, *judged.reasons),
            source=judged.source,
            model_version=self.model.version,
            vector=packed(judged.vector) if judged.vector is not None else None,
        )


@lru_cache(maxsize=1)
def shipped() -> Triage:
    """The triage that comes with this release, loaded at its first use (about a second)."""
    return Triage(load(), installed_encoder())


def triage(subject: str, body: str, facts: Facts | None = None, names: KnownNames | None = None) -> Reading:
    """Read one ticket with the shipped model."""
    return shipped().read(subject, body, facts, names)


def category_of(name: str) -> Category | None:
    """The category of that name; None for a name outside the list."""
    return Category(name) if name in set(Category) else None

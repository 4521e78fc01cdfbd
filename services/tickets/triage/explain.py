"""Why the model says what it says, in the ticket's own words."""

from __future__ import annotations

import numpy as np

from services.tickets.triage import ngrams
from services.tickets.triage.model import Model

_MOST = 3


def speaking_words(model: Model, text: str, column: int) -> list[str]:
    """The words and pairs of words that weigh most for the category of `column` against the mean of all, the heaviest first."""
    weights = {}
    for gram in ngrams.word_grams(ngrams.words_of(text)):
        place = ngrams.word_place(gram)
        row = model.gram_weights[place]
        weights[gram] = float(model.rarity[place] * (row[column] - row.mean()))
    heaviest = sorted((gram for gram, weight in weights.items() if weight > 0), key=lambda gram: (-weights[gram], gram))
    said: list[str] = []
    for gram in heaviest:
        # "data finished" beside "data" says nothing more.
        if not any(gram in other or other in gram for other in said):
            said.append(gram)
        if len(said) == _MOST:
            break
    return said


def share_known(model: Model, text: str) -> float:
    """Which part of the words occurs in what the model learnt from."""
    met = np.array([ngrams.fingerprint(word) for word in ngrams.words_of(text)], dtype=np.uint32)
    return float(np.isin(met, model.vocabulary).mean()) if len(met) else 0.0

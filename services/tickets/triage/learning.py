"""Learning from staff: at once in this process, and by retraining, which is adopted only if it scores no worse on what was held back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from services.tickets.triage.encoder import Encoder, installed_encoder
from services.tickets.triage.engine import Triage
from services.tickets.triage.examples import Example, own_examples
from services.tickets.triage.labels import Category
from services.tickets.triage.model import Model, load
from services.tickets.triage.scores import Scores, score
from services.tickets.triage.text import has_words, ticket_text
from services.tickets.triage.training import material, refit, train
from services.tickets.triage.vectors import key, shipped_vectors, unpacked, vectors_for

Vector = npt.NDArray[np.float32]

_HELD_BACK_OF = 5
_FEWEST_HELD_BACK = 20
# On some dozens of tickets this error moves by itself.
_CALIBRATION_SLACK = 0.03
_REFIT_SHARE = 4


class Learner:
    """A triage that learns in its process. A taught ticket is known at once; the model is fitted anew at the next question, once
    a quarter more was taught than at the last fitting, so that a stream of corrections costs no more than a few fittings.
    """

    def __init__(self, model: Model | None = None, encoder: Encoder | None = None) -> None:
        self._encoder = encoder
        self._triage = Triage(model or load(), encoder)
        self._taught: dict[str, Example] = {}
        self._vectors: dict[str, Vector] = {}
        self._pending = 0
        self._own: tuple[list[Example], Vector | None] | None = None
        self._lock = threading.Lock()

    def learn(self, subject: str, body: str, category: Category) -> None:
        """Take a person's word for it. A ticket without words teaches nothing."""
        text = ticket_text(subject, body)
        if not has_words(text):
            return
        vector = self._encoder.encode([text])[0] if self._encoder is not None else None
        with self._lock:
            self._triage.memory.add(text, category, vector)
            self._taught[text] = Example(text, category)
            if vector is not None:
                self._vectors[text] = vector
            self._pending += 1

    def triage(self, *, fitted: bool = True) -> Triage:
        """The triage as taught so far; `fitted=False` never waits for a fitting."""
        with self._lock:
            if fitted and self._pending and self._pending >= len(self._taught) // _REFIT_SHARE:
                self._fit()
            return self._triage

    def _fit(self) -> None:
        if self._own is None:
            own = own_examples()
            texts = [example.text for example in own]
            self._own = own, vectors_for(texts, self._encoder, shipped_vectors(self._encoder)) if self._encoder is not None else None
        own, own_vectors = self._own
        vectors = None
        if own_vectors is not None:
            vectors = np.vstack([own_vectors, *(self._vectors[text][None] for text in self._taught)])
        given = material([*own, *self._taught.values()], None, vectors)
        self._triage = Triage(refit(given, self._triage.model), self._encoder, self._triage.memory)
        self._pending = 0


@dataclass(frozen=True)
class Correction:
    """A ticket under the category that a person gave it. `vector` as the ticket's `Reading` had it; without one it is encoded anew."""

    text: str
    category: Category
    also: tuple[Category, ...] = ()
    vector: bytes | None = None

    @property
    def held_back(self) -> bool:
        """Every fifth, always the same ones: no model ever learns from what it is judged on, however often it is retrained."""
        return sha256(self.text.encode()).digest()[0] % _HELD_BACK_OF == 0


@dataclass(frozen=True)
class Retraining:
    """A candidate beside the model in use, both judged on the same held-back corrections."""

    candidate: Model
    current_scores: Scores
    candidate_scores: Scores
    learnt_from: int

    @property
    def adopt(self) -> bool:
        was, now = self.current_scores, self.candidate_scores
        return now.no_worse_than(was) and now.calibration_error <= was.calibration_error + _CALIBRATION_SLACK

    @property
    def verdict(self) -> str:
        was, now = self.current_scores, self.candidate_scores
        told = (
            f"on {now.tickets} held-back corrections accuracy {was.accuracy:.3f} → {now.accuracy:.3f}, "
            f"macro-F1 {was.macro_f1:.3f} → {now.macro_f1:.3f}, calibration error {was.calibration_error:.3f} → {now.calibration_error:.3f}"
        )
        return f"Adopted: {told}." if self.adopt else f"Not adopted: {told}."


class TooFewCorrections(Exception):
    """Nothing can be judged on so few held-back corrections."""


def retrain(corrections: Sequence[Correction], current: Model, encoder: Encoder | None = None) -> Retraining:
    """A model from our sentences and the corrections. Raises TooFewCorrections below twenty held-back ones (about a hundred in all).

    For a job: with 5,000 corrections and kept vectors some ten seconds and 300 MB.
    """
    usable = [one for one in corrections if has_words(one.text)]
    judged = [one for one in usable if one.held_back]
    if len(judged) < _FEWEST_HELD_BACK:
        raise TooFewCorrections(f"{len(judged)} of {_FEWEST_HELD_BACK} held-back corrections")
    learnt = [one for one in usable if not one.held_back]
    examples = [*own_examples(), *map(_example, learnt)]
    vectors = _vectors([example.text for example in examples], learnt, encoder)
    candidate = train(material(examples, None, vectors), encoder_name=encoder.name if encoder else "none", start=current)
    held_back = material([_example(one) for one in judged], None, _vectors([one.text for one in judged], judged, encoder))
    was, now = (
        score(model.predict_from(held_back.texts, held_back.vectors), held_back.columns, held_back.accepted)
        for model in (current, candidate)
    )
    return Retraining(candidate, was, now, len(learnt))


def _example(correction: Correction) -> Example:
    return Example(correction.text, correction.category, correction.also)


def _vectors(texts: Sequence[str], corrections: Sequence[Correction], encoder: Encoder | None) -> Vector | None:
    if encoder is None:
        return None
    kept = shipped_vectors(encoder)
    kept |= {key(one.text): vector for one in corrections if one.vector and len(vector := unpacked(one.vector)) == encoder.size}
    return vectors_for(texts, encoder, kept)


def fresh_learner() -> Learner:
    """A learner on the shipped model and the installed encoder."""
    return Learner(load(), installed_encoder())

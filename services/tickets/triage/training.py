"""Learning the model from examples. Everything is chosen inside the examples given: temperature and threshold by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from services.tickets.triage import ngrams
from services.tickets.triage.encoder import Encoder
from services.tickets.triage.examples import Example
from services.tickets.triage.labels import CATEGORIES, COLUMN
from services.tickets.triage.model import Calibration, Model, mix, warm
from services.tickets.triage.regression import Columns, Dense, Vector, balanced, fit, softmax
from services.tickets.triage.scores import confidence_for, mean_confidence_matches

_CLASSES = len(CATEGORIES)
_SENTENCE_L2, _GRAM_L2 = 0.5, 1.0
_SENTENCE_STEPS, _GRAM_STEPS = 150, 60
_FOLDS = 3
# What is answered shall be right nine times in ten. Aimed a little higher, because tickets are less like our sentences than these are like
# each other.
_WANTED_ACCURACY = 0.92


@dataclass(frozen=True)
class Material:
    """Examples as the solvers take them."""

    texts: list[str]
    columns: Columns
    accepted: npt.NDArray[np.bool_]
    weights: Vector
    vectors: Vector | None

    def part(self, chosen: npt.NDArray[np.intp]) -> Material:
        return Material(
            [self.texts[row] for row in chosen],
            self.columns[chosen],
            self.accepted[chosen],
            self.weights[chosen],
            self.vectors[chosen] if self.vectors is not None else None,
        )


@dataclass(frozen=True)
class _Solved:
    rarity: Vector
    gram_weights: Vector
    sentence_weights: Vector | None


def material(examples: Sequence[Example], encoder: Encoder | None, vectors: Vector | None = None) -> Material:
    """Ready for training; the sentences are encoded here unless their vectors are given."""
    accepted = np.zeros((len(examples), _CLASSES), dtype=np.bool_)
    for row, example in enumerate(examples):
        accepted[row, [COLUMN[category] for category in (example.category, *example.also)]] = True
    texts = [example.text for example in examples]
    if vectors is None and encoder is not None:
        vectors = encoder.encode(texts)
    columns = np.array([COLUMN[example.category] for example in examples], dtype=np.intp)
    return Material(texts, columns, accepted, np.array([example.weight for example in examples], dtype=np.float32), vectors)


def train(given: Material, *, encoder_name: str, start: Model | None = None) -> Model:
    """A calibrated model. Starting from an earlier one saves time and changes little: the problem is convex."""
    both, alone = _calibrate(given)
    solved = _solve(given, start)
    return Model(
        version=_version(given),
        encoder_name=encoder_name,
        rarity=solved.rarity,
        vocabulary=ngrams.vocabulary(given.texts),
        gram_weights=solved.gram_weights,
        sentence_weights=solved.sentence_weights,
        both=both,
        grams_alone=alone,
    )


def refit(given: Material, model: Model) -> Model:
    """New weights under the calibration and rarities of `model`: what a running process can afford between two tickets."""
    solved = _solve(given, model)
    return Model(
        version=_version(given),
        encoder_name=model.encoder_name,
        rarity=solved.rarity,
        vocabulary=ngrams.vocabulary(given.texts),
        gram_weights=solved.gram_weights,
        sentence_weights=solved.sentence_weights,
        both=model.both,
        grams_alone=model.grams_alone,
    )


def _solve(given: Material, start: Model | None) -> _Solved:
    weights = balanced(given.columns, given.weights, _CLASSES)
    rarity = ngrams.rarity(given.texts)
    rows = ngrams.features(given.texts, rarity)
    gram_start = start.gram_weights if start else np.zeros((ngrams.WIDTH, _CLASSES), dtype=np.float32)
    gram_weights = fit(rows, given.columns, weights, classes=_CLASSES, l2=_GRAM_L2, steps=_GRAM_STEPS, start=gram_start)
    sentence_weights = None
    if given.vectors is not None:
        begin = start.sentence_weights if start else None
        if begin is None:
            begin = np.zeros((given.vectors.shape[1] + 1, _CLASSES), dtype=np.float32)
        dense = Dense(given.vectors)
        sentence_weights = fit(dense, given.columns, weights, classes=_CLASSES, l2=_SENTENCE_L2, steps=_SENTENCE_STEPS, start=begin)
    return _Solved(rarity, gram_weights, sentence_weights)


def _calibrate(given: Material) -> tuple[Calibration, Calibration]:
    """From predictions for sentences that the predicting model had not seen."""
    grams = np.empty((len(given.texts), _CLASSES), dtype=np.float32)
    mixed = np.empty_like(grams)
    fold_of = np.array([_fold(text) for text in given.texts])
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        if not len(inside) or not len(outside):
            raise ValueError("too few examples to learn from")
        solved, judged = _solve(given.part(inside), None), given.part(outside)
        grams[outside] = softmax(ngrams.features(judged.texts, solved.rarity).times(solved.gram_weights))
        mixed[outside] = grams[outside]
        if judged.vectors is not None and solved.sentence_weights is not None:
            mixed[outside] = mix(softmax(Dense(judged.vectors).times(solved.sentence_weights)), grams[outside])
    return _calibration(mixed, given.accepted), _calibration(grams, given.accepted)


def _calibration(raw: Vector, accepted: npt.NDArray[np.bool_]) -> Calibration:
    temperature = mean_confidence_matches(raw, accepted)
    return Calibration(temperature, confidence_for(warm(raw, temperature), accepted, wanted=_WANTED_ACCURACY))


def _fold(text: str) -> int:
    # By the text itself: adding examples moves no other one to another fold, and a text that comes twice never judges itself.
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big") % _FOLDS


def _version(given: Material) -> str:
    """Named after what it learnt from, so that the same sentences give the same name."""
    digest = sha256()
    for text, column, weight in zip(given.texts, given.columns, given.weights, strict=True):
        digest.update(f"{int(column)}\t{weight:g}\t{text}\n".encode())
    return f"{len(given.texts)}-{digest.hexdigest()[:12]}"

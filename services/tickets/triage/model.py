"""The trained model: what it weighs, how sure it may be, and how it is kept in a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from services.tickets.triage import ngrams
from services.tickets.triage.encoder import Encoder
from services.tickets.triage.labels import CATEGORIES
from services.tickets.triage.regression import Dense, softmax

Vector = npt.NDArray[np.float32]

SHIPPED = Path(__file__).parent / "data" / "model.npz"
FORMAT = 1
# The sentence vector knows meanings, the n-grams know our words; measured on our own held-back sentences.
SENTENCE_SHARE = 0.65


class UnreadableModel(Exception):
    """The file holds no model of this format."""


@dataclass(frozen=True)
class Calibration:
    """`temperature` makes confidences true on average; below `threshold` a person decides."""

    temperature: float
    threshold: float


@dataclass(frozen=True)
class Model:
    """Two regressions, averaged. Without the encoder the n-grams answer alone, with a calibration of their own."""

    version: str
    encoder_name: str
    rarity: Vector
    vocabulary: npt.NDArray[np.uint32]  # fingerprints of all words met, sorted
    gram_weights: Vector
    sentence_weights: Vector | None
    both: Calibration
    grams_alone: Calibration

    def calibration(self, encoder: Encoder | None) -> Calibration:
        return self.both if self._uses(encoder) else self.grams_alone

    def predict(self, texts: Sequence[str], encoder: Encoder | None) -> Vector:
        """Calibrated probabilities, a row for each text, a column for each category."""
        vectors = encoder.encode(texts) if encoder is not None and self._uses(encoder) else None
        return self.predict_from(texts, vectors)

    def predict_from(self, texts: Sequence[str], vectors: Vector | None) -> Vector:
        """As `predict`, with the sentence vectors at hand; None: n-grams alone."""
        grams = softmax(ngrams.features(texts, self.rarity).times(self.gram_weights))
        if vectors is None or self.sentence_weights is None:
            return warm(grams, self.grams_alone.temperature)
        return warm(mix(softmax(Dense(vectors).times(self.sentence_weights)), grams), self.both.temperature)

    def _uses(self, encoder: Encoder | None) -> bool:
        return encoder is not None and self.sentence_weights is not None and encoder.name == self.encoder_name

    def save(self, path: Path) -> None:
        """Write the file whole or not at all. Half precision: it changes no confidence by more than a thousandth."""
        arrays = {
            "format": np.array(FORMAT),
            "version": np.array(self.version),
            "encoder": np.array(self.encoder_name),
            "categories": np.array([str(category) for category in CATEGORIES]),
            "vocabulary": self.vocabulary,
            "rarity": self.rarity.astype(np.float16),
            "gram_weights": self.gram_weights.astype(np.float16),
            "calibrations": np.array([[c.temperature, c.threshold] for c in (self.both, self.grams_alone)]),
        }
        if self.sentence_weights is not None:
            arrays["sentence_weights"] = self.sentence_weights
        kept = io.BytesIO()
        np.savez_compressed(kept, allow_pickle=False, **arrays)
        part = path.with_name(path.name + ".part")
        part.write_bytes(kept.getvalue())
        part.replace(path)


def load(path: Path = SHIPPED) -> Model:
    """The model of a file. Raises UnreadableModel for anything else, also for one with other categories."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            if int(kept["format"]) != FORMAT or kept["categories"].tolist() != [str(category) for category in CATEGORIES]:
                raise UnreadableModel(f"{path.name} is a triage model of another release")
            both, alone = (Calibration(float(row[0]), float(row[1])) for row in kept["calibrations"])
            model = Model(
                version=str(kept["version"]),
                encoder_name=str(kept["encoder"]),
                rarity=kept["rarity"].astype(np.float32),
                vocabulary=kept["vocabulary"],
                gram_weights=kept["gram_weights"].astype(np.float32),
                sentence_weights=kept.get("sentence_weights"),
                both=both,
                grams_alone=alone,
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UnreadableModel(f"{path.name} is not a triage model") from error
    if model.gram_weights.shape != (ngrams.WIDTH, len(CATEGORIES)) or model.rarity.shape != (ngrams.WIDTH,):
        raise UnreadableModel(f"{path.name} is a triage model of another size")
    return model


def mix(sentence: Vector, grams: Vector) -> Vector:
    return np.float32(SENTENCE_SHARE) * sentence + np.float32(1 - SENTENCE_SHARE) * grams


def warm(probabilities: Vector, temperature: float) -> Vector:
    """The same order of categories, less (above 1) or more (below 1) sure."""
    logarithms: Vector = np.log(np.maximum(probabilities, 1e-9)).astype(np.float32)
    return softmax(logarithms / np.float32(temperature))

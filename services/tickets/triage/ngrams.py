"""Hashed n-grams: words alone and in pairs, and two to five characters inside a word. Sparse, with nothing but numpy."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]

# The word half, the character half, and one place that every text has (the bias, which also keeps rows from being empty).
HALF = 1 << 14
WIDTH = 2 * HALF + 1
_BIAS = WIDTH - 1
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_DIGITS = re.compile(r"\d+")
_MAX_WORDS, _MAX_WORD = 400, 24
_BLOCK = 200_000


def words_of(text: str) -> list[str]:
    """The words in small letters; numbers are all the same word, because what they say is not what a ticket is about."""
    return [_DIGITS.sub("0", word)[:_MAX_WORD] for word in _WORD.findall(text.lower())[:_MAX_WORDS]]


def word_grams(words: Sequence[str]) -> Iterable[str]:
    return (*words, *(f"{one} {two}" for one, two in itertools.pairwise(words)))


def fingerprint(word: str) -> int:
    return crc32(word.encode())


def word_place(gram: str) -> int:
    return fingerprint(gram) % HALF


def vocabulary(texts: Iterable[str]) -> npt.NDArray[np.uint32]:
    """Fingerprints of all words of the texts, sorted."""
    return np.array(sorted({fingerprint(word) for text in texts for word in words_of(text)}), dtype=np.uint32)


@lru_cache(maxsize=20_000)
def _character_places(word: str) -> tuple[int, ...]:
    padded = f" {word} "
    return tuple(
        HALF + crc32(padded[at : at + size].encode()) % HALF for size in range(2, 6) for at in range(max(len(padded) - size + 1, 0))
    )


@dataclass(frozen=True)
class Sparse:
    """Rows of which only the filled places are kept. `starts` has one entry more than there are rows; no row is empty."""

    starts: npt.NDArray[np.int64]
    places: Places
    values: Vector

    def __len__(self) -> int:
        return len(self.starts) - 1

    def times(self, weights: Vector) -> Vector:
        """self @ weights, in blocks of rows so that memory does not grow with their number."""
        out = np.empty((len(self), weights.shape[1]), dtype=np.float32)
        for first, last in self._blocks():
            begin, end = self.starts[first], self.starts[last]
            filled = weights[self.places[begin:end]] * self.values[begin:end, None]
            out[first:last] = np.add.reduceat(filled, self.starts[first:last] - begin, axis=0)
        return out

    def transposed_times(self, rows: Vector) -> Vector:
        """self.T @ rows."""
        out = np.zeros((WIDTH, rows.shape[1]), dtype=np.float32)
        counts = np.diff(self.starts)
        for first, last in self._blocks():
            begin, end = self.starts[first], self.starts[last]
            places, row = self.places[begin:end], np.repeat(np.arange(first, last), counts[first:last])
            for column in range(rows.shape[1]):
                out[:, column] += np.bincount(places, rows[row, column] * self.values[begin:end], minlength=WIDTH)
        return out

    def rows(self, chosen: npt.NDArray[np.intp]) -> Sparse:
        parts = [slice(self.starts[row], self.starts[row + 1]) for row in chosen]
        lengths = [part.stop - part.start for part in parts]
        return Sparse(
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([self.places[part] for part in parts]),
            np.concatenate([self.values[part] for part in parts]),
        )

    def _blocks(self) -> Iterable[tuple[int, int]]:
        first = 0
        while first < len(self):
            last = int(np.searchsorted(self.starts, self.starts[first] + _BLOCK, side="right")) - 1
            last = min(max(last, first + 1), len(self))
            yield first, last
            first = last


def count(text: str) -> tuple[Places, Vector]:
    """Filled places of one text and log-damped counts, not yet weighted."""
    words = words_of(text)
    counted = Counter(map(word_place, word_grams(words)))
    for word in words:
        counted.update(_character_places(word))
    places = np.fromiter(counted.keys(), dtype=np.int32, count=len(counted))
    values = np.fromiter((1 + math.log(n) for n in counted.values()), dtype=np.float32, count=len(counted))
    return places, values


def rarity(texts: Sequence[str]) -> Vector:
    """Inverse document frequency of each place. A place met in one text alone weighs nothing: it can only be learnt by heart."""
    met = np.zeros(WIDTH, dtype=np.int64)
    for text in texts:
        met[count(text)[0]] += 1
    weight = np.log((1 + len(texts)) / (1 + met)) + 1
    weight[met < 2] = 0
    return weight.astype(np.float32)


def features(texts: Sequence[str], weight: Vector) -> Sparse:
    """The texts as rows: each half weighted by rarity and brought to length 1, and the bias."""
    starts, all_places, all_values = [0], [], []
    for text in texts:
        places, values = count(text)
        values = values * weight[places]
        keep = values > 0
        places, values = places[keep], values[keep]
        is_word = places < HALF
        for half in (is_word, ~is_word):
            length = float(np.linalg.norm(values[half]))
            if length > 0:
                values[half] /= length
        all_places.append(np.append(places, np.int32(_BIAS)))
        all_values.append(np.append(values, np.float32(1)))
        starts.append(starts[-1] + len(places) + 1)
    return Sparse(
        np.array(starts, dtype=np.int64),
        np.concatenate(all_places) if all_places else np.zeros(0, np.int32),
        np.concatenate(all_values).astype(np.float32) if all_values else np.zeros(0, np.float32),
    )

"""What staff just taught, before any retraining: a ticket that is nearly the same as a corrected one is read as that one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.tickets.triage.labels import CATEGORIES, COLUMN, Category

Vector = npt.NDArray[np.float32]

_NEAR, _SAME = 0.92, 0.985
CERTAINLY, _NEARLY, _LIKELY = 0.95, 0.9, 0.6


@dataclass
class Memory:
    """Corrected tickets by text and, where there is an encoder, by meaning."""

    _by_text: dict[str, Category] = field(default_factory=dict)
    _categories: list[Category] = field(default_factory=list)
    _vectors: list[Vector] = field(default_factory=list)

    def add(self, text: str, category: Category, vector: Vector | None) -> None:
        self._by_text[_key(text)] = category
        if vector is not None:
            self._categories.append(category)
            self._vectors.append(vector)

    def recall(self, text: str, vector: Vector | None) -> tuple[Category, float] | None:
        """The category of the nearest corrected ticket and how far to follow it (0 to 1); None when none is near."""
        if (known := self._by_text.get(_key(text))) is not None:
            return known, CERTAINLY
        if vector is None or not self._vectors:
            return None
        nearness = np.stack(self._vectors) @ vector
        # Of equally near ones the latest: what was said last holds.
        nearest = len(nearness) - 1 - int(nearness[::-1].argmax())
        if nearness[nearest] < _NEAR:
            return None
        return self._categories[nearest], _NEARLY if nearness[nearest] >= _SAME else _LIKELY


def follow(probabilities: Vector, category: Category, share: float) -> Vector:
    pulled = np.zeros(len(CATEGORIES), dtype=np.float32)
    pulled[COLUMN[category]] = 1
    return np.float32(1 - share) * probabilities + np.float32(share) * pulled


def _key(text: str) -> str:
    return " ".join(text.casefold().split())

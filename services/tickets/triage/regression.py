"""Softmax regression with L2 and balanced classes, by accelerated gradient descent. Knows rows only by two products."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Columns = npt.NDArray[np.intp]


class Rows(Protocol):
    """Something with rows that can be multiplied from both sides."""

    def __len__(self) -> int: ...

    def times(self, weights: Vector) -> Vector: ...

    def transposed_times(self, rows: Vector) -> Vector: ...


class Dense:
    """Dense rows with a bias column."""

    def __init__(self, vectors: Vector) -> None:
        self._rows = np.hstack([vectors, np.ones((len(vectors), 1), dtype=np.float32)])

    def __len__(self) -> int:
        return len(self._rows)

    def times(self, weights: Vector) -> Vector:
        return self._rows @ weights

    def transposed_times(self, rows: Vector) -> Vector:
        return self._rows.T @ rows


def softmax(scores: Vector) -> Vector:
    raised: Vector = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Vector = raised / raised.sum(axis=1, keepdims=True)
    return shares


def balanced(columns: Columns, weights: Vector, classes: int) -> Vector:
    """Weights of rows such that each class that occurs counts the same."""
    sums = np.bincount(columns, weights, minlength=classes)
    present = int((sums > 0).sum())
    each: Vector = (weights * (weights.sum() / (present * sums[columns]))).astype(np.float32)
    return each


def fit(rows: Rows, columns: Columns, weights: Vector, *, classes: int, l2: float, steps: int, start: Vector) -> Vector:
    """Weights (places by classes) after `steps` steps from `start`. The last place is the bias and is hardly shrunk."""
    target = np.eye(classes, dtype=np.float32)[columns]
    shrink = np.full((len(start), 1), l2, dtype=np.float32)
    shrink[-1] = 1e-3
    rate = np.array(1 / (0.5 * _largest_eigenvalue(rows, weights, len(start)) + l2), dtype=np.float32)
    here, ahead, pace = start, start, 1.0
    for _ in range(steps):
        wrong: Vector = (softmax(rows.times(ahead)) - target) * weights[:, None]
        step: Vector = ahead - rate * (rows.transposed_times(wrong) + shrink * ahead)
        next_pace = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
        push: Vector = np.array((pace - 1) / next_pace, dtype=np.float32) * (step - here)
        here, ahead, pace = step, step + push, next_pace
    return here


def _largest_eigenvalue(rows: Rows, weights: Vector, width: int) -> float:
    guess = np.full((width, 1), width**-0.5, dtype=np.float32)
    value = 1.0
    for _ in range(12):
        guess = rows.transposed_times(rows.times(guess) * weights[:, None])
        value = float(np.linalg.norm(guess))
        guess /= value
    return value * 1.05  # power iteration comes from below; too long a step would not settle

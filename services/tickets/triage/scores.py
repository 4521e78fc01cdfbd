"""How good predictions are, and how sure they may be. The measures are those of docs/triage.md."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.tickets.triage.model import warm

Vector = npt.NDArray[np.float32]
Accepted = npt.NDArray[np.bool_]

_BINS = 10
_SUREST, _LEAST_SURE = 0.3, 8.0


@dataclass(frozen=True)
class Scores:
    """`accuracy` counts the main category, `lenient` also the further ones; `share_at_90`: how much can be answered at 90 % lenient."""

    tickets: int
    accuracy: float
    lenient: float
    macro_f1: float
    share_at_90: float
    calibration_error: float

    def no_worse_than(self, other: Scores, *, slack: float = 0.002) -> bool:
        return self.accuracy >= other.accuracy - slack and self.macro_f1 >= other.macro_f1 - 2 * slack


def score(probabilities: Vector, columns: npt.NDArray[np.intp], accepted: Accepted) -> Scores:
    """The measures on tickets whose categories are known."""
    chosen = probabilities.argmax(axis=1)
    right = accepted[np.arange(len(chosen)), chosen]
    return Scores(
        tickets=len(chosen),
        accuracy=float((chosen == columns).mean()),
        lenient=float(right.mean()),
        macro_f1=_macro_f1(chosen, columns, probabilities.shape[1]),
        share_at_90=share_at(probabilities, accepted, 0.9),
        calibration_error=calibration_error(probabilities, accepted),
    )


def _macro_f1(chosen: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], classes: int) -> float:
    values = []
    for column in range(classes):
        said, true = chosen == column, columns == column
        if said.any() or true.any():
            values.append(2 * float((said & true).sum()) / float(said.sum() + true.sum()))
    return float(np.mean(values))


def share_at(probabilities: Vector, accepted: Accepted, wanted: float) -> float:
    """The largest share of tickets, by falling confidence, on which `wanted` of the answers are accepted."""
    running = _running_accuracy(probabilities, accepted)
    good = np.flatnonzero(running >= wanted)
    return float(good[-1] + 1) / len(running) if len(good) else 0.0


def calibration_error(probabilities: Vector, accepted: Accepted) -> float:
    """Expected calibration error over ten bins of confidence."""
    confidence = probabilities.max(axis=1)
    right = accepted[np.arange(len(confidence)), probabilities.argmax(axis=1)]
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return float(sum(abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist())))


def confidence_for(probabilities: Vector, accepted: Accepted, *, wanted: float) -> float:
    """The lowest confidence at and above which `wanted` of the answers are accepted."""
    good = np.flatnonzero(_running_accuracy(probabilities, accepted) >= wanted)
    if not len(good):
        return 1.0
    falling = np.sort(probabilities.max(axis=1))[::-1]
    return float(falling[int(good[-1])])


def mean_confidence_matches(raw: Vector, accepted: Accepted) -> float:
    """The temperature at which the mean confidence is the share of accepted answers."""
    right = float(accepted[np.arange(len(raw)), raw.argmax(axis=1)].mean())
    low, high = _SUREST, _LEAST_SURE
    for _ in range(30):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if float(warm(raw, middle).max(axis=1).mean()) > right else (low, middle)
    return math.sqrt(low * high)


def _running_accuracy(probabilities: Vector, accepted: Accepted) -> Vector:
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = accepted[np.arange(len(order)), probabilities.argmax(axis=1)][order]
    running: Vector = (np.cumsum(right) / np.arange(1, len(right) + 1)).astype(np.float32)
    return running

"""How well and how fast tickets are read: on the development set of real tickets, which is not part of the repository (docs/triage.md).

`INET_TRIAGE_FIELD` names the file; otherwise it is looked for beside the repository. Without it only speed and memory are measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from services.tickets.triage.encoder import Encoder, installed_encoder
from services.tickets.triage.engine import shipped
from services.tickets.triage.examples import Example, own_examples
from services.tickets.triage.labels import Category
from services.tickets.triage.learning import Correction, retrain
from services.tickets.triage.model import load
from services.tickets.triage.scores import Scores, score
from services.tickets.triage.text import ticket_text
from services.tickets.triage.training import Material, material, train
from services.tickets.triage.vectors import packed, shipped_vectors, vectors_for
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_FOLDS, _CORRECTIONS = 5, 5000
# Measured before this model was written, on the same tickets: shared/data/triage/README.md, lines A and B.
_BASE_A = {"accuracy": 0.748, "lenient": 0.807, "macro-F1": 0.605, "share at 90 %": 0.78, "calibration error": 0.061}
_BASE_B = {"accuracy": 0.830, "lenient": 0.893, "macro-F1": 0.668, "share at 90 %": 0.99, "calibration error": 0.059}
_GOALS_A = {"accuracy": 0.78, "lenient": 0.84, "macro-F1": 0.64, "share at 90 %": 0.85, "calibration error": 0.08}
_GOALS_B = {"accuracy": 0.84, "lenient": 0.90, "macro-F1": 0.69, "share at 90 %": 0.99, "calibration error": 0.06}


def triage_of_real_tickets() -> list[Result]:
    """Quality on the development set, time of a ticket, memory, and the cost of a retraining."""
    encoder = installed_encoder()
    if encoder is None:
        print("triage: the sentence encoder is not installed; nothing is measured")
        return []
    return [*_quality(encoder), *_speed(), *_memory(), *_retraining()]


def _field() -> list[Example]:
    path = Path(os.environ.get("INET_TRIAGE_FIELD") or _ROOT.parent / "shared" / "data" / "triage" / "field.jsonl")
    if not path.is_file():
        print("triage: no development set here (INET_TRIAGE_FIELD names none), so its quality is not measured")
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Example(ticket_text(row["subject"], row["body"]), Category(row["category"]), tuple(map(Category, row["also"]))) for row in rows]


def _quality(encoder: Encoder) -> list[Result]:
    field = _field()
    if not field:
        return []
    own = own_examples()
    own_vectors = vectors_for([example.text for example in own], encoder, shipped_vectors(encoder))
    judged = material(field, encoder)
    model = load()
    as_shipped = model.predict_from(judged.texts, judged.vectors)
    confidence = as_shipped.max(axis=1)
    answered = confidence >= model.both.threshold
    right = judged.accepted[np.arange(len(field)), as_shipped.argmax(axis=1)]
    crossed = _cross_validated(material(own, None, own_vectors), judged)
    return [
        *_results("as shipped", score(as_shipped, judged.columns, judged.accepted), _GOALS_A, _BASE_A),
        Result("triage, as shipped: answered without a person", float(answered.mean()), "share", None, "higher"),
        Result("triage, as shipped: accuracy of what is answered", float(right[answered].mean()), "share", 0.9, "higher"),
        *_results("5-fold", score(crossed, judged.columns, judged.accepted), _GOALS_B, _BASE_B),
    ]


def _cross_validated(own: Material, field: Material) -> np.ndarray:
    fold = np.random.default_rng(2026).permutation(len(field.texts)) % _FOLDS
    predicted = np.zeros((len(fold), len(Category)), dtype=np.float32)
    for one in range(_FOLDS):
        inside, outside = field.part(np.flatnonzero(fold != one)), field.part(np.flatnonzero(fold == one))
        model = train(_joined(own, inside), encoder_name="bench")
        predicted[fold == one] = model.predict_from(outside.texts, outside.vectors)
    return predicted


def _joined(one: Material, other: Material) -> Material:
    return Material(
        one.texts + other.texts,
        np.concatenate([one.columns, other.columns]),
        np.vstack([one.accepted, other.accepted]),
        np.concatenate([one.weights, other.weights]),
        np.vstack([one.vectors, other.vectors]) if one.vectors is not None and other.vectors is not None else None,
    )


def _results(how: str, got: Scores, goals: dict[str, float], base: dict[str, float]) -> list[Result]:
    values = {
        "accuracy": got.accuracy,
        "lenient": got.lenient,
        "macro-F1": got.macro_f1,
        "share at 90 %": got.share_at_90,
        "calibration error": got.calibration_error,
    }
    return [
        Result(
            f"triage, {how}: {name} (base line {base[name]:g})",
            value,
            "share",
            goals[name],
            "lower" if name == "calibration error" else "higher",
        )
        for name, value in values.items()
    ]


def _speed() -> list[Result]:
    reader = shipped()
    long = "the internet at our house is slow and keeps going off again " * 12
    tickets = [example.text for example in (_field() or own_examples())][:400]
    reader.read("", tickets[0])
    each, longest = [_ms(reader.read, text) for text in tickets], [_ms(reader.read, long) for _ in range(40)]
    return [
        Result("triage: one ticket, p50", float(np.percentile(each, 50)), "ms of CPU", None, "lower"),
        Result("triage: one ticket, p95", float(np.percentile(each, 95)), "ms of CPU", 50, "lower"),
        Result("triage: a ticket of 128 pieces and more, p95", float(np.percentile(longest, 95)), "ms of CPU", 50, "lower"),
    ]


def _ms(read: object, text: str) -> float:
    assert callable(read)
    started = time.process_time()
    read("", text)
    return (time.process_time() - started) * 1000


def _memory() -> list[Result]:
    kept = _in_a_process_of_its_own("memory")
    return [Result("triage: memory of a process with the model", kept["resident_mb"], "MB", 260, "lower")]


def _retraining() -> list[Result]:
    cost = _in_a_process_of_its_own("retraining")
    return [
        Result(f"triage: retraining with {_CORRECTIONS} corrections", cost["seconds"], "s of CPU", 30, "lower"),
        Result("triage: retraining, memory at its peak", cost["peak_mb"], "MB", 400, "lower"),
    ]


def _in_a_process_of_its_own(name: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "tests.bench.triage", name], cwd=_ROOT, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _measure_memory() -> dict[str, float]:
    for _ in range(20):
        shipped().read("", "the internet is slow again, please help us, we paid D50 by Wave")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"resident_mb": pages * resource.getpagesize() / 2**20}


def _measure_retraining() -> dict[str, float]:
    """Corrections as staff make them: tickets of the development set (or our sentences), each a little different from the others."""
    encoder = installed_encoder()
    assert encoder is not None
    tickets = _field() or own_examples()
    vectors = [packed(vector) for vector in encoder.encode([ticket.text for ticket in tickets])]
    at = [number % len(tickets) for number in range(_CORRECTIONS)]
    corrections = [
        Correction(f"{tickets[row].text} {'abcdefghij'[number % 10]}{number}", tickets[row].category, vector=vectors[row])
        for number, row in enumerate(at)
    ]
    started = time.process_time()
    retrain(corrections, load(), encoder)
    seconds = time.process_time() - started
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    print(json.dumps({"memory": _measure_memory, "retraining": _measure_retraining}[sys.argv[1]]()))

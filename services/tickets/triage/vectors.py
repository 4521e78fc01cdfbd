"""Sentence vectors as they are kept: half precision, 768 bytes each, beside the sentences they belong to."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from services.tickets.triage.encoder import Encoder
from services.tickets.triage.examples import DATA

Vector = npt.NDArray[np.float32]

SHIPPED = DATA / "vectors.npz"


def packed(vector: Vector) -> bytes:
    return vector.astype("<f2").tobytes()


def unpacked(kept: bytes) -> Vector:
    return np.frombuffer(kept, dtype="<f2").astype(np.float32)


def vectors_for(texts: Sequence[str], encoder: Encoder, kept: dict[bytes, Vector]) -> Vector:
    """The vectors of `texts`: kept ones where there are, the others encoded now (about 10 ms each)."""
    keys = [key(text) for text in texts]
    missing = [text for text, one in zip(texts, keys, strict=True) if one not in kept]
    fresh = dict(zip(map(key, missing), encoder.encode(missing), strict=True))
    return np.stack([fresh[one] if one in fresh else kept[one] for one in keys])


def key(text: str) -> bytes:
    return sha256(text.encode()).digest()[:8]


def shipped_vectors(encoder: Encoder, path: Path = SHIPPED) -> dict[bytes, Vector]:
    """Vectors of our own sentences; empty where the file is missing or was made with another encoder."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            if str(kept["encoder"]) != encoder.name:
                return {}
            return {bytes(one): vector for one, vector in zip(kept["keys"], kept["vectors"].astype(np.float32), strict=True)}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}


def save_vectors(texts: Sequence[str], vectors: Vector, encoder: Encoder, path: Path = SHIPPED) -> None:
    keys = np.array([np.frombuffer(key(text), dtype=np.uint8) for text in texts])
    written = io.BytesIO()
    np.savez_compressed(written, allow_pickle=False, encoder=np.array(encoder.name), keys=keys, vectors=vectors.astype("<f2"))
    path.write_bytes(written.getvalue())

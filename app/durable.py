"""Files that a row is about to speak of: whole or not at all, and on the disk also when the power fails (fsync(2), rename(2))."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_LEVELS = 3


def write(path: Path, content: bytes) -> None:
    """Write under a temporary name, sync, rename, and sync the folders above, which may be new. Raises OSError; nothing half is left."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    for folder in list(path.parents)[:_LEVELS]:
        sync(folder)


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

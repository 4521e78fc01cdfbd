"""Where the bytes of photos lie while they come in. The rest of the product knows `Store` and `Part`; on the disk they are files.

A part is claimed by one writer at a time, also among processes: the claim is a lock of the file (flock(2)), which the kernel gives back
when its process dies. Who finds it claimed may leave a wish; a writer whose link has gone silent sees it and lets go.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from app import durable
from app.settings import get_settings
from services.photos.errors import UploadBusy

_FOLDER = "photos"
_PART, _WISH = ".part", ".wanted"
_NAME = re.compile(r"[0-9a-f]{32}")
_READ_BYTES = 1 << 20


class Part(Protocol):
    """What has come of one photo, claimed: nobody else writes to it until it is closed."""

    @property
    def size(self) -> int: ...

    def cut(self, size: int) -> None:
        """Forget what lies beyond `size`, and write on from there."""

    def write(self, piece: bytes) -> None: ...

    def sync(self) -> None:
        """Have what was written on the disk, also when the power fails."""

    def content(self) -> bytes: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def close(self) -> None:
        """Give the claim back."""


class Store(Protocol):
    """Keeps parts by the public ids of their uploads."""

    def claim(self, name: str, *, insist: bool = False) -> Part:
        """The part of that name, empty when there was none. Raises UploadBusy; who insists leaves a wish then, and asks again."""

    def forgo(self, name: str) -> None:
        """Take the wish back."""

    def is_wanted(self, name: str) -> bool:
        """Whether somebody insists on the claim."""

    def drop(self, name: str) -> None:
        """Remove a part; harmless when there is none."""

    def names(self) -> Iterator[str]:
        """All that is kept, in no order."""

    def room(self) -> int:
        """How many bytes more could be kept."""


class DiskPart:
    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @property
    def _file(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    @property
    def size(self) -> int:
        return os.fstat(self._file).st_size

    def cut(self, size: int) -> None:
        if self.size > size:
            os.ftruncate(self._file, size)
        os.lseek(self._file, size, os.SEEK_SET)

    def write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            left = left[os.write(self._file, left) :]

    def sync(self) -> None:
        os.fsync(self._file)

    def content(self) -> bytes:
        os.lseek(self._file, 0, os.SEEK_SET)
        pieces = []
        while piece := os.read(self._file, _READ_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class DiskStore:
    """Files under one folder that only we may look into. All web processes and workers see the same folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def claim(self, name: str, *, insist: bool = False) -> DiskPart:
        descriptor = self._try(name)
        if descriptor is None:
            if insist:
                self._path(name, _WISH).touch(mode=0o600)
            raise UploadBusy
        self.forgo(name)
        return DiskPart(descriptor)

    def forgo(self, name: str) -> None:
        self._path(name, _WISH).unlink(missing_ok=True)

    def _try(self, name: str) -> int | None:
        path = self._path(name, _PART)
        descriptor = self._opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It may have been removed between opening and locking: then what is locked is no part any more.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _opened(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDWR)
        except FileNotFoundError:
            pass
        for folder in (self._root, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # A file whose name is not on the disk is lost with the power, whatever was synced into it.
        for folder in (path.parent, self._root, self._root.parent):
            durable.sync(folder)
        return descriptor

    def is_wanted(self, name: str) -> bool:
        return self._path(name, _WISH).exists()

    def drop(self, name: str) -> None:
        for ending in (_PART, _WISH):
            self._path(name, ending).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        for path in self._root.glob(f"??/*{_PART}"):
            if _NAME.fullmatch(path.stem):
                yield path.stem

    def room(self) -> int:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self._root).free

    def _path(self, name: str, ending: str) -> Path:
        assert _NAME.fullmatch(name)
        return self._root / name[:2] / f"{name}{ending}"


def store() -> Store:
    """The product's own: under INET_DATA_DIR."""
    return DiskStore(get_settings().data_dir / _FOLDER)

"""Parts of photos lie where only we may look, and one at a time writes to each."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.photos.errors import UploadBusy
from services.photos.storage import DiskStore

NAME = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def store(folder: Path) -> DiskStore:
    return DiskStore(folder)


def test_folders_and_files_are_ours_alone(store: DiskStore, folder: Path) -> None:
    with store.claim(NAME) as part:
        part.write(b"bytes")
    kept = folder / "01" / f"{NAME}.part"
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (folder, kept.parent, kept)] == [0o700, 0o700, 0o600]
    assert list(store.names()) == [NAME]


def test_a_part_is_claimed_by_one_and_an_insisting_one_is_seen(store: DiskStore) -> None:
    with store.claim(NAME):
        with pytest.raises(UploadBusy):
            store.claim(NAME)
        assert not store.is_wanted(NAME)
        with pytest.raises(UploadBusy):
            store.claim(NAME, insist=True)
        assert store.is_wanted(NAME)
    store.claim(NAME, insist=True).close()
    assert not store.is_wanted(NAME)


def test_a_wish_can_be_taken_back(store: DiskStore) -> None:
    with store.claim(NAME):
        with pytest.raises(UploadBusy):
            store.claim(NAME, insist=True)
        store.forgo(NAME)
        assert not store.is_wanted(NAME)


def test_what_was_dropped_begins_empty(store: DiskStore) -> None:
    with store.claim(NAME) as part:
        part.write(b"bytes")
        store.drop(NAME)
    with store.claim(NAME) as part:
        assert part.size == 0
    store.drop(NAME)
    assert not list(store.names())


def test_writing_goes_on_from_where_it_was_cut(store: DiskStore) -> None:
    with store.claim(NAME) as part:
        part.write(b"0123456789")
    with store.claim(NAME) as part:
        part.cut(4)
        part.write(b"abc")
        assert part.content() == b"0123abc"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "0123", NAME.upper(), f"{NAME}/x"])
def test_no_other_name_reaches_the_disk(store: DiskStore, name: str) -> None:
    with pytest.raises(AssertionError):
        store.claim(name)

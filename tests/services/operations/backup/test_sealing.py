"""The sealed stream: nothing in it can be changed, left out, added or moved, and no other key opens it."""

from __future__ import annotations

import io
import random

import pytest

from services.operations.backup import records
from services.operations.backup.errors import BackupFailed, Damaged, NotABackup, WrongKey
from services.operations.backup.records import Kind
from services.operations.backup.sealing import PIECE_BYTES, Key, Sealer, read_header, unseal

KEY, OTHER = Key("INET_BACKUP_KEY", b"k" * 40), Key("INET_BACKUP_KEY", b"o" * 40)
PIECE = PIECE_BYTES + 16


def sealed(content: bytes, key: Key = KEY) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, key, {"release": "1"})
    for start in range(0, len(content), 300_000):
        sealer.write(content[start : start + 300_000])
    sealer.finish()
    return out.getvalue()


def opened(data: bytes, *keys: Key) -> bytes:
    return b"".join(unseal(io.BytesIO(data), "it", keys or (KEY,)))


def body_at(data: bytes) -> int:
    file = io.BytesIO(data)
    read_header(file, "it")
    return file.tell()


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_what_is_sealed_comes_out_again(size: int) -> None:
    content = random.Random(size).randbytes(size)
    assert opened(sealed(content)) == content


def test_no_two_files_are_alike_and_nothing_of_the_content_shows() -> None:
    content = b"+2208330001 " * 1000
    assert sealed(content) != sealed(content)
    assert b"2208330001" not in sealed(content)


def test_another_key_is_named_as_such() -> None:
    with pytest.raises(WrongKey, match=KEY.id):
        opened(sealed(b"x"), OTHER)
    assert opened(sealed(b"x"), OTHER, KEY) == b"x"


def test_every_changed_bit_is_noticed() -> None:
    data = sealed(random.Random(1).randbytes(2 * PIECE_BYTES + 100))
    start = body_at(data)
    chance = random.Random(2)
    for at in [8, 9, 20, start - 1, start, start + PIECE, len(data) - 1, *(chance.randrange(len(data)) for _ in range(30))]:
        changed = bytearray(data)
        changed[at] ^= 1 << chance.randrange(8)
        with pytest.raises(BackupFailed):
            opened(bytes(changed))


@pytest.mark.parametrize("left", [0, 5, 11])
def test_a_file_that_is_hardly_begun_is_none(left: int) -> None:
    with pytest.raises(NotABackup):
        opened(sealed(b"x")[:left])


@pytest.mark.parametrize("cut", [1, 100 + 16, PIECE + 116, PIECE + 117])
def test_a_missing_end_is_noticed_also_at_the_border_of_a_piece(cut: int) -> None:
    data = sealed(bytes(2 * PIECE_BYTES + 100))
    with pytest.raises(Damaged):
        opened(data[:-cut])


def test_pieces_cannot_be_moved_repeated_left_out_or_added() -> None:
    data = sealed(random.Random(3).randbytes(4 * PIECE_BYTES))
    start = body_at(data)
    head, pieces = data[:start], [data[at : at + PIECE] for at in range(start, len(data), PIECE)]
    one, two, three, last = pieces
    for order in (
        [two, one, three, last],
        [one, one, three, last],
        [one, three, last],
        [one, two, three, last, last],
        [one, two, last, three],
    ):
        with pytest.raises(Damaged):
            opened(head + b"".join(order))


def test_pieces_of_two_files_do_not_mix() -> None:
    one, other = sealed(b"a" * 100), sealed(b"b" * 100)
    with pytest.raises(Damaged):
        opened(one[: body_at(one)] + other[body_at(other) :])


def test_a_part_of_a_file_comes_back_whether_it_could_be_made_smaller_or_not() -> None:
    out = io.BytesIO()
    parts = (b"x" * 10_000, random.Random(4).randbytes(10_000))
    for part in parts:
        records.put_part(out.write, part)
    records.put_facts(out.write, Kind.END, {})
    assert len(out.getvalue()) < 11_000
    found = list(records.read(iter([out.getvalue()])))
    assert [record.content for record in found[:2]] == list(parts)


def test_records_must_end_where_the_stream_ends() -> None:
    out = io.BytesIO()
    records.put_facts(out.write, Kind.END, {})
    with pytest.raises(Damaged):
        list(records.read(iter([out.getvalue()[:-1]])))
    with pytest.raises(Damaged):
        list(records.read(iter([out.getvalue(), b"more"])))

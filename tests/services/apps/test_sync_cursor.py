"""Cursors: what they say of snapshots, who may use them, and how long they get."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from app.keys import seal_json
from services.apps.sync_cursor import MOST_RUNNING, Cursor, CursorUnknown, Position, Snapshot, open_cursor

_STEPS = st.lists(st.integers(1, 10**6), max_size=400)
_START = st.integers(3, 2**62)


def a_snapshot(start: int, steps: list[int]) -> str:
    running = [start + sum(steps[: number + 1]) for number in range(len(steps))]
    return f"{start}:{(running[-1] if running else start) + 1}:{','.join(map(str, running))}"


@given(_START, _STEPS)
def test_a_snapshot_is_read_again_as_it_was_written(start: int, steps: list[int]) -> None:
    snapshot = Snapshot.read(a_snapshot(start, steps))
    assert Snapshot.unpack(snapshot.pack()) == snapshot


@given(_START, _STEPS, st.data())
def test_a_snapshot_that_was_cut_sees_nothing_that_the_whole_one_does_not(start: int, steps: list[int], data: st.DataObject) -> None:
    text = a_snapshot(start, steps)
    xmin, xmax, running = text.split(":")
    cut = Snapshot.read(text)
    xid = data.draw(st.integers(int(xmin), int(xmax) + 2))
    sees_whole = xid < int(xmax) and str(xid) not in running.split(",")
    sees_cut = xid < cut.xmax and xid not in cut.running
    assert len(cut.running) <= MOST_RUNNING
    assert sees_cut <= sees_whole


def test_postgresql_reads_the_form_that_we_write(session: Session) -> None:
    text = str(Snapshot.read(a_snapshot(1000, [3] * 400)))
    assert session.execute(sa.text("SELECT CAST(CAST(:text AS pg_snapshot) AS text)"), {"text": text}).scalar_one() == text


def test_with_hundreds_of_open_transactions_it_still_fits_an_address(servers: None) -> None:
    snapshot = Snapshot.read(a_snapshot(10**15, [999_999] * 400))
    cursor = Cursor(1, "e" * 24 + ".1", "s" * 20, ("access_point",) * 10, False, snapshot, snapshot, Position(10**15, "ticket", 10**12))
    sealed = cursor.seal()
    assert open_cursor(sealed, app_device_id=1) == cursor
    assert len(sealed) < 6000


def test_a_cursor_that_is_forged_altered_or_of_another_phone_is_refused(servers: None) -> None:
    good = Cursor(1, "e", "s", ("profile",)).seal()
    other_purpose = seal_json("page-cursor", {"device": 1})
    altered = good[:-2] + ("AA" if good[-2:] != "AA" else "BB")
    for bad in ("", "x", "é", "a b", "0", good + "=", good[:40], altered, other_purpose, good * 3):
        with pytest.raises(CursorUnknown):
            open_cursor(bad, app_device_id=1)
    with pytest.raises(CursorUnknown):
        open_cursor(good, app_device_id=2)


def test_a_cursor_in_the_form_of_another_release_begins_anew(servers: None) -> None:
    assert open_cursor(seal_json("sync-cursor", {"form": 0, "device": 1}), app_device_id=1) is None


def test_a_snapshot_is_outgrown_once_much_has_ended_since() -> None:
    long_open = Snapshot(100, 90_000, (100,))
    assert not long_open.is_outgrown_by(Snapshot(100, 95_000, (100,)))
    assert long_open.is_outgrown_by(Snapshot(95_000, 95_000))
    assert not Snapshot(100, 110, (100,)).is_outgrown_by(Snapshot(6000, 6000))

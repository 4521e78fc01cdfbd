"""A body goes to the disk as it comes; whatever ends it, what arrived is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.db import transaction
from app.edge import BodyRefused
from app.settings import get_settings
from mobile import photo_stream
from mobile.photo_stream import insist, take_in
from services.photos import receiving as receiving_module
from services.photos import storage
from services.photos.errors import BeyondTheEnd, UploadBusy
from services.photos.receiving import Receiving
from tests.conftest import NOON
from tests.pages import builders
from tests.services.photos.phones import Sender, customers_phone
from tests.services.photos.pictures import noise

PHOTO = noise(1)


@pytest.fixture
def awa(database: sa.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sender]:
    """On a database that commits: two requests of hers may be at work at once."""
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    monkeypatch.setattr(photo_stream, "_SILENCE_SECONDS", 0.02)
    monkeypatch.setattr(photo_stream, "_PATIENCE_SECONDS", 0.2)
    with transaction() as session:
        customer = builders.a_customer(session, 1, now=NOON)
        phone = customers_phone(session, customer, builders.a_ticket(session, customer=customer, at=NOON))
    with Session(database) as phone.session:
        yield phone


@pytest.fixture
def name(awa: Sender) -> str:
    return awa.announce(PHOTO).public_id


def coming(*steps: Message | Exception | float) -> Callable[[], Awaitable[Message]]:
    """What the server hands over, in turn: a message, an error, or so many seconds of silence."""
    left = list(steps)

    async def receive() -> Message:
        step = left.pop(0)
        if isinstance(step, float):
            await asyncio.sleep(step)
            step = left.pop(0)
        if isinstance(step, Exception):
            raise step
        return step  # type: ignore[return-value]

    return receive


def piece(body: bytes, *, is_last: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": not is_last}


def take(receiving: Receiving, *steps: Message | Exception | float) -> None:
    try:
        asyncio.run(take_in(coming(*steps), receiving))
    finally:
        receiving.close()


@pytest.mark.parametrize("end", [{"type": "http.disconnect"}, BodyRefused(), ConnectionResetError()])
def test_what_arrived_before_a_link_broke_is_counted(awa: Sender, name: str, end: Message | Exception) -> None:
    with pytest.raises((ClientDisconnect, BodyRefused, ConnectionResetError)):
        take(awa.open(name), piece(PHOTO[:3000]), piece(PHOTO[3000:4000]), end)
    assert awa.look(name).received_bytes == 4000
    with storage.store().claim(name) as part:
        assert part.content() == PHOTO[:4000]


def test_a_long_body_is_counted_on_its_way(awa: Sender, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_module, "COUNT_EVERY_BYTES", 1000)
    counts: list[int] = []
    receiving = awa.open(name)
    count = receiving.count
    monkeypatch.setattr(receiving, "count", lambda *, now: (counts.append(receiving.offset), count(now=now)))
    take(receiving, *(piece(PHOTO[at : at + 600], is_last=at >= 3000) for at in range(0, 3600, 600)))
    assert counts == [1200, 2400, 3600, 3600]


def test_what_lies_beyond_the_end_is_not_written(awa: Sender, name: str) -> None:
    with pytest.raises(BeyondTheEnd):
        take(awa.open(name), piece(PHOTO + b"more", is_last=True))
    assert awa.look(name).received_bytes == len(PHOTO)


def test_a_silent_link_lets_go_when_a_newer_request_waits(awa: Sender, name: str) -> None:
    receiving = awa.open(name)

    async def both() -> Receiving:
        async def old() -> None:
            try:
                await take_in(coming(piece(PHOTO[:100]), 30.0), receiving)
            finally:
                receiving.close()

        taking = asyncio.get_running_loop().create_task(old())
        await asyncio.sleep(0.05)
        taken = await insist(lambda: awa.open(name, 100), public_id=name)
        with pytest.raises(UploadBusy):
            await taking
        return taken

    newer = asyncio.run(both())
    assert newer.offset == 100
    newer.close()


def test_a_link_that_goes_on_keeps_its_photo(awa: Sender, name: str) -> None:
    receiving = awa.open(name)

    async def both() -> None:
        slowly = [step for _ in range(100) for step in (0.01, piece(b"x"))]
        taking = asyncio.get_running_loop().create_task(take_in(coming(*slowly), receiving))
        with pytest.raises(UploadBusy):
            await insist(lambda: awa.open(name), public_id=name)
        assert not taking.done()
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking

    asyncio.run(both())
    receiving.close()
    assert not storage.store().is_wanted(name)
    assert awa.look(name).received_bytes > 0

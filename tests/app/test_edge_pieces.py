"""Pieces of photos may take as long as an honest slow link needs, and no longer; other bodies keep their deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from app.edge import MAX_PIECE_BYTES, PIECE_PATIENCE, Edge, Patience

PATH = "/api/mobile/v1/photos/1"
PIECE = (b"content-type", b"application/offset+octet-stream")
HASTY = Patience(0.5, bytes_per_second=1000, silence=0.5)


async def _count(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(sum([len(piece) async for piece in request.stream()])))


def ask(gaps: list[float], *, each: int = 100, path: str = PATH, headers: Any = (PIECE,)) -> tuple[int, bytes]:
    """A body of as many pieces as there are gaps before them."""
    app = Starlette(routes=[Route("/{rest:path}", _count, methods=["PATCH"])])
    edge = Edge(app, body_seconds=0.5, piece_patience=HASTY)
    left, sent = list(gaps), []

    async def receive() -> Message:
        await asyncio.sleep(left.pop(0))
        return {"type": "http.request", "body": b"x" * each, "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "PATCH", "path": path, "headers": list(headers), "query_string": b"", "client": ("127.0.0.1", 1)}
    asyncio.run(edge(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_a_slow_link_goes_on(servers: None) -> None:
    assert ask([0.1] * 8, each=1000) == (200, b"8000")


def test_the_same_link_is_too_slow_for_other_bodies(servers: None) -> None:
    assert ask([0.1] * 8, path="/api/elsewhere")[0] == 408
    assert ask([0.1] * 8, headers=())[0] == 408


@pytest.mark.parametrize("gaps", [[2.0], [0.0, 2.0], [0.06] * 60])
def test_a_dead_link_and_one_that_trickles_end(servers: None, gaps: list[float]) -> None:
    status, body = ask(gaps, each=1)
    assert status == 408
    assert b"What has arrived is kept" in body


def test_a_piece_holds_a_whole_photo_and_has_an_end(servers: None) -> None:
    assert ask([0.0] * 9, each=MAX_PIECE_BYTES // 8)[0] == 413
    assert ask([0.0] * 8, each=MAX_PIECE_BYTES // 8)[0] == 200


def test_a_link_of_two_kilobytes_a_second_has_time_for_the_largest_photo() -> None:
    received, now = 0, 0.0
    while received < 15 * 1024 * 1024:
        received, now = received + 2048, now + 1
        assert PIECE_PATIENCE.until(0.0, received, now) > now

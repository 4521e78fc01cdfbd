"""A phone's line to the server: it breaks before, after and in the midst, says things twice, and brings old requests late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import httpx
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

SERVER = "http://server.test"


class Fate(StrEnum):
    """What becomes of one request."""

    GOOD = "good"
    LOST = "lost"
    ANSWER_LOST = "answer lost"
    TWICE = "twice"
    # Thought lost by the phone, it arrives after others.
    LATE = "late"
    # The server dies with the first, second or third transaction that it is about to commit.
    SERVER_DIES = "server dies"
    SERVER_DIES_LATER = "server dies later"


class ServerDied(RuntimeError):
    """Stands for a killed process: what it was about to commit is rolled back, and no answer comes."""


class Deaths:
    """Makes the server die just before it commits for the n-th time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._left: int | None = None
        sa.event.listen(engine, "commit", self._on_commit)
        self._engine = engine

    def _on_commit(self, _: sa.Connection) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            raise ServerDied

    @contextmanager
    def at_commit(self, number: int | None) -> Iterator[None]:
        self._left = number
        try:
            yield
        finally:
            self._left = None

    def end(self) -> None:
        sa.event.remove(self._engine, "commit", self._on_commit)


class Line(httpx.BaseTransport):
    """Carries requests to the application in this process, each to the next fate in `fates` (good ones when there are no more)."""

    def __init__(self, server: TestClient, deaths: Deaths) -> None:
        self._server, self._deaths = server, deaths
        self._late: list[httpx.Request] = []
        self.fates: list[Fate] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        fate = self.fates.pop(0) if self.fates else Fate.GOOD
        if fate is Fate.LOST:
            raise httpx.ConnectError("the line is down", request=request)
        if fate is Fate.LATE:
            self._late.append(request)
            raise httpx.ReadTimeout("nothing came back", request=request)
        dies_at = {Fate.SERVER_DIES: 2, Fate.SERVER_DIES_LATER: 4}.get(fate)
        with self._deaths.at_commit(dies_at):
            answer = self._deliver(request)
        if fate is Fate.TWICE:
            answer = self._deliver(request)
        if fate is Fate.ANSWER_LOST:
            raise httpx.ReadError("the line broke", request=request)
        return answer

    def bring_late_ones(self) -> None:
        """Old requests arrive now; nobody waits for their answers."""
        late, self._late = self._late, []
        for request in late:
            self._deliver(request)

    def _deliver(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        came = self._server.request(request.method, path, content=request.content, headers=dict(request.headers))
        return httpx.Response(came.status_code, headers=came.headers, content=came.content, request=request)


@contextmanager
def serving(app: FastAPI) -> Iterator[TestClient]:
    """The application in this process. An answer of 500 is what a phone sees of a server that died in the midst."""
    with TestClient(app, base_url=SERVER, raise_server_exceptions=False) as server:
        yield server


def client(line: Line) -> httpx.Client:
    """What a phone speaks through."""
    return httpx.Client(transport=line, base_url=SERVER)

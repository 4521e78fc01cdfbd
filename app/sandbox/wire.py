"""The edge of the sandbox: where a call meets its faults, and where a connection is really cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.sandbox.faults import CLEAN_CALL, CallVerdict, Faults

Identify = Callable[[Scope], tuple[str, str] | None]

GATEWAY_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr><center>nginx</center></body></html>"


class ConnectionCut(Exception):
    """The answer is lost and there is no socket to close (an in-process transport): the caller sees this instead."""


class SandboxApp(FastAPI):
    """FastAPI, with the faults outside of all its own layers: only there can an answer vanish whole."""

    def __init__(self, *, faults: Faults, identify: Identify, **options: Any) -> None:
        super().__init__(**options)
        self._faults, self._identify = faults, identify
        # Set when the process stops: a call that is being kept waiting must not hold it up.
        self.leaving = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._identify(scope) if scope["type"] == "http" else None
        verdict = self._faults.judge_call(*call) if call else CLEAN_CALL
        if verdict is CLEAN_CALL:
            await super().__call__(scope, receive, send)
            return
        if verdict.latency_seconds:
            await self._wait(verdict.latency_seconds)
        if verdict.refused or self.leaving.is_set():
            await _cut(receive, send)
        elif verdict.error_status is not None:
            await _answer_error(send, verdict.error_status, verdict)
        else:
            await self._work_and_spoil(scope, receive, send, verdict)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.leaving.wait(), seconds)
        except TimeoutError:
            return

    async def _work_and_spoil(self, scope: Scope, receive: Receive, send: Send, verdict: CallVerdict) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await super().__call__(scope, receive, keep)
        except ClientDisconnect:
            return  # whoever called died in the middle of saying what it wanted
        if verdict.dropped and verdict.lost_reply_status is None:
            await _cut(receive, send)
        elif verdict.lost_reply_status is not None:
            await _answer_error(send, verdict.lost_reply_status, CallVerdict(as_html=True))
        elif verdict.truncated:
            await _answer_half(send, messages)
        else:
            for message in messages:
                await send(message)


async def _answer_error(send: Send, status: int, verdict: CallVerdict) -> None:
    if verdict.as_html:
        body, kind = GATEWAY_PAGE % (status, status), b"text/html"
    else:
        code = "service-unavailable" if status == 503 else "internal-server-error" if status >= 500 else "request-refused"
        body, kind = orjson.dumps({"code": code, "message": "The sandbox was told to fail"}), b"application/json"
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    if status == 429 and verdict.retry_after:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer_half(send: Send, messages: list[Message]) -> None:
    body = b"".join(message.get("body", b"") for message in messages)
    half = body[: len(body) // 2]
    headers = [(name, value) for name, value in messages[0]["headers"] if name != b"content-length"]
    await send({**messages[0], "headers": [*headers, (b"content-length", b"%d" % len(half))]})
    await send({"type": "http.response.body", "body": half})


async def _cut(receive: Receive, send: Send) -> None:
    # ASGI has no word for "hang up". uvicorn's `send` is a method of the object that holds the transport.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionCut
    transport.abort()
    while (await receive())["type"] != "http.disconnect":  # returning earlier would make uvicorn complain about a missing answer
        pass

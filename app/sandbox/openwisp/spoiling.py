"""Answers that are not OpenWISP's: those of a proxy before it, of a dying worker, of a hotel's log-in page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.sandbox.openwisp.errors import OpenWispError
from app.sandbox.openwisp.switches import Switches

_STATUS_BY_ANSWER = {"html_500": 500, "bad_gateway": 502, "gateway_timeout": 504, "html_200": 200}
_TITLES = {500: "Server Error (500)", 502: "502 Bad Gateway", 504: "504 Gateway Time-out", 200: "Log in to continue"}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def spoilt_route(switches: Switches) -> type[APIRoute]:
    """A kind of route that spoils its answers as the mode says, and turns refusals into answers."""

    class SpoiltRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def spoilt(request: Request) -> Response:
                status = _STATUS_BY_ANSWER.get(switches.mode.answer)
                if status is not None:
                    return _page(status)
                try:
                    answer = await handle(request)
                except OpenWispError as refusal:
                    answer = refusal.response()
                return _first_half(answer) if switches.mode.answer == "truncated" else answer

            return spoilt

    return SpoiltRoute


def _page(status: int) -> Response:
    title = _TITLES[status]
    text = f"<!doctype html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(text, status_code=status, media_type="text/html")


def _first_half(answer: Response) -> Response:
    body = bytes(answer.body)
    return Response(body[: len(body) // 2], status_code=answer.status_code, media_type=answer.media_type)

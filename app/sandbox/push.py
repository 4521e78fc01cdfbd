"""Expo's push service (protocols/push-and-sms.md part A), and the page that shows what phones got."""

from __future__ import annotations

import gzip
import hmac
import re
import secrets
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Scope

from app.sandbox.clock import SandboxClock, iso
from app.sandbox.config import SandboxConfig
from app.sandbox.html import page
from app.sandbox.problems import json_response
from app.sandbox.store import Store, Table

MAX_MESSAGES, MAX_RECEIPTS, MAX_BYTES = 100, 1000, 4096
RECEIPTS_KEPT_SECONDS = 24 * 3600
_BASE = "/--/api/v2/push"
_OPERATIONS = {f"{_BASE}/send": "send", f"{_BASE}/getReceipts": "receipts"}
_TOKEN = re.compile(r"^(ExponentPushToken|ExpoPushToken)\[.+\]$|^[a-z\d]{8}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{12}$", re.IGNORECASE)
# A token that names its project: ExponentPushToken[@owner/app:anything]. All others belong to one.
_PROJECT = re.compile(r"\[(@[\w-]+/[\w-]+):")
_OWN_PROJECT = "@inet/portal"


@dataclass
class Push:
    """One message to one phone, as it was taken."""

    id: str
    to: str
    title: str
    body: str
    data: dict[str, Any]
    at: float
    receipt_error: str | None = None

    def wire(self) -> dict[str, Any]:
        """The message for people and tests."""
        return {**asdict(self), "at": iso(self.at)}


@dataclass
class Phone:
    """What happens to pushes to one token: an error at once (`ticket`) or only in the receipt."""

    token: str
    ticket: str | None = None
    receipt: str | None = None


class PushMode(BaseModel):
    """Switches: when receipts are there, and whether the access token must come along ("enhanced push security")."""

    model_config = ConfigDict(extra="forbid")

    receipts_after_seconds: float = Field(default=900, ge=0)
    needs_access_token: bool = False
    # Answers the next requests with 429, as when 600 a second are exceeded.
    too_many: int = Field(default=0, ge=0)


class PhoneOrder(BaseModel):
    """What shall happen to pushes to a token from now on; both None: they arrive."""

    model_config = ConfigDict(extra="forbid")

    token: str
    ticket: str | None = None
    receipt: str | None = None


@dataclass
class _Refusal(Exception):
    status: int
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


class PushService:
    """Operations for faults: `send`, `receipts`. `GET /push` shows every push that was taken, newest first."""

    name = "push"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock) -> None:
        self._config, self._clock = config, clock
        self._rows = Table(store, "push", Push, key=lambda row: row.id)
        self._phones = Table(store, "push_phone", Phone, key=lambda row: row.token)
        self._mode = PushMode()

    def routers(self) -> list[APIRouter]:
        router = APIRouter()

        @router.post(f"{_BASE}/send", include_in_schema=False)
        async def send(request: Request) -> Response:
            return await self._answer(request, self._take)

        @router.post(f"{_BASE}/getReceipts", include_in_schema=False)
        async def receipts(request: Request) -> Response:
            return await self._answer(request, self._receipts)

        @router.get("/push", include_in_schema=False)
        async def taken(request: Request) -> Response:
            pushes = self._newest_first()
            if "text/html" in request.headers.get("Accept", ""):
                return page("push.html", pushes=pushes)
            return json_response(pushes)

        @router.post("/_control/push/mode", tags=["push"])
        async def mode(body: PushMode) -> Response:
            self._mode = body
            return json_response(body.model_dump())

        @router.post("/_control/push/phone", tags=["push"])
        async def phone(body: PhoneOrder) -> Response:
            return json_response(asdict(self._phones.save(Phone(body.token, body.ticket, body.receipt))))

        return [router]

    def operation(self, scope: Scope) -> str | None:
        return _OPERATIONS.get(scope["path"])

    def state(self) -> dict[str, Any]:
        pushes = self._newest_first()
        return {"push": pushes, "pushes": pushes}

    def reset(self) -> None:
        self._rows.clear()
        self._phones.clear()
        self._mode = PushMode()

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing runs in the background."""

    def _newest_first(self) -> list[dict[str, Any]]:
        return [row.wire() for row in reversed(self._rows.all())]

    async def _answer(self, request: Request, work: Any) -> Response:
        try:
            self._admit(request)
            return json_response({"data": work(_read(await request.body(), request.headers.get("Content-Encoding", "")))})
        except _Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message} | ({"details": refusal.details} if refusal.details else {})
            return json_response({"errors": [error]}, refusal.status)

    def _admit(self, request: Request) -> None:
        if self._mode.too_many:
            self._mode = self._mode.model_copy(update={"too_many": self._mode.too_many - 1})
            raise _Refusal(429, "TOO_MANY_REQUESTS", "Too many requests")
        if self._mode.needs_access_token:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._config.expo_access_token.encode()):
                raise _Refusal(401, "UNAUTHORIZED", "The access token is missing or wrong")

    def _take(self, body: Any) -> Any:
        """Nothing is taken of a request in which anything is malformed."""
        messages = body if isinstance(body, list) else [body]
        each = [(message, token) for message in messages for token in _tokens(message)]
        if len(each) > MAX_MESSAGES:
            raise _Refusal(400, "PUSH_TOO_MANY_NOTIFICATIONS", f"At most {MAX_MESSAGES} notifications in one request")
        _same_project([token for _, token in each])
        tickets = [self._ticket(message, token) for message, token in each]
        # One message to one phone that did not come in an array is answered by an object.
        return tickets[0] if isinstance(body, dict) and isinstance(body.get("to"), str) else tickets

    def _ticket(self, message: dict[str, Any], token: str) -> dict[str, Any]:
        phone = self._phones.get(token) or Phone(token)
        if phone.ticket is not None:
            said = f'"{token}" is not a registered push notification recipient'
            return {"status": "error", "message": said, "details": {"error": phone.ticket, "expoPushToken": token}}
        push = Push(
            f"0195{secrets.token_hex(14)}",
            token,
            str(message.get("title") or ""),
            str(message.get("body") or ""),
            message.get("data") or {},
            self._clock.now(),
            phone.receipt,
        )
        self._rows.save(push)
        return {"status": "ok", "id": push.id}

    def _receipts(self, body: Any) -> Any:
        ids = body.get("ids") if isinstance(body, dict) else None
        if not isinstance(ids, list):
            raise _Refusal(400, "API_ERROR", '"ids" must be a list')
        if len(ids) > MAX_RECEIPTS:
            raise _Refusal(400, "PUSH_TOO_MANY_RECEIPTS", f"At most {MAX_RECEIPTS} ids in one request")
        now, found = self._clock.now(), {}
        for push in filter(None, map(self._rows.get, map(str, ids))):
            if push.at + self._mode.receipts_after_seconds <= now < push.at + RECEIPTS_KEPT_SECONDS:
                found[push.id] = _receipt(push)
        return found


def _receipt(push: Push) -> dict[str, Any]:
    if push.receipt_error is None:
        return {"status": "ok"}
    return {"status": "error", "message": "It was not delivered", "details": {"error": push.receipt_error}}


def _read(raw: bytes, encoding: str) -> Any:
    try:
        return orjson.loads(gzip.decompress(raw) if encoding == "gzip" else raw)
    except (ValueError, OSError, EOFError, zlib.error):
        raise _Refusal(400, "API_ERROR", "The body is not JSON") from None


def _tokens(message: Any) -> list[str]:
    to = message.get("to") if isinstance(message, dict) else None
    tokens = to if isinstance(to, list) else [to]
    if not tokens or not all(isinstance(token, str) and _TOKEN.match(token) for token in tokens):
        raise _Refusal(400, "API_ERROR", '"to" must be a push token')
    if len(orjson.dumps(message)) > MAX_BYTES:
        raise _Refusal(400, "API_ERROR", "The message is too big")
    return list(tokens)


def _same_project(tokens: list[str]) -> None:
    projects: dict[str, list[str]] = {}
    for token in tokens:
        found = _PROJECT.search(token)
        projects.setdefault(found.group(1) if found else _OWN_PROJECT, []).append(token)
    if len(projects) > 1:
        raise _Refusal(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", "All tokens of a request must belong to one project", projects)

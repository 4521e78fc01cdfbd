"""The SMS gateway in the shape of Africa's Talking (protocols/push-and-sms.md part B), and the page that shows what it got."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Scope

from app.sandbox.clock import SandboxClock, iso
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.html import page
from app.sandbox.problems import json_response
from app.sandbox.sms_reports import Reports, other_form
from app.sandbox.store import Store, Table

USERNAMES = ("inet", "sandbox")
COST_GMD = "0.8000"
ACCEPTED = (100, 101, 102)
STATUS_NAMES = {
    100: "Processed",
    101: "Success",
    102: "Queued",
    401: "RiskHold",
    402: "InvalidSenderId",
    403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    407: "CouldNotRoute",
    409: "DoNotDisturbRejection",
    500: "InternalServerError",
    501: "GatewayError",
    502: "RejectedByGateway",
}
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_OLD_GAMBIAN = re.compile(r"\+220\d{7}")


@dataclass
class Sms:
    """One message to one number, as the gateway got it."""

    id: str
    to: str
    sender: str
    message: str
    at: float
    status: str

    def wire(self) -> dict[str, Any]:
        """The message for people and tests."""
        return {**asdict(self), "at": iso(self.at)}


class SmsMode(BaseModel):
    """Switches: the status every valid number gets, whether the 7-digit numbers of The Gambia have already been cut off, and the reports.

    `report` is the end that delivery reports tell of (None: none is sent); `report_early` sends it before the order is answered,
    `report_other_form` names the number as it was before the change, `report_url` is where they go.
    """

    model_config = ConfigDict(extra="forbid")

    status_code: int = 101
    reject_seven_digits: bool = False
    report: Literal["Success", "Failed", "Rejected"] | None = "Success"
    report_reason: str | None = None
    report_early: bool = False
    report_other_form: bool = False
    report_url: str | None = None


class _Bulk(BaseModel):
    username: str = ""
    message: str = ""
    sender_id: str = Field(default="", alias="senderId")
    phone_numbers: list[str] = Field(default_factory=list, alias="phoneNumbers")


@dataclass(frozen=True)
class _Order:
    username: str
    sender: str
    message: str
    numbers: list[str]


class SmsService:
    """Operation for faults: `send`. `GET /sms` shows every accepted message, newest first."""

    name = "sms"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, faults: Faults) -> None:
        self._config, self._clock = config, clock
        self._rows = Table(store, "sms", Sms, key=lambda row: row.id)
        self._mode = SmsMode()
        self._reports = Reports(config.sms_report_url, faults)

    def routers(self) -> list[APIRouter]:
        router = APIRouter()

        @router.post("/version1/messaging", include_in_schema=False)
        async def send(request: Request) -> Response:
            form = {name: str(value) for name, value in (await request.form()).items()}
            numbers = [number.strip() for number in form.get("to", "").split(",") if number.strip()]
            order = _Order(form.get("username", ""), form.get("from", ""), form.get("message", ""), numbers)
            return await self._take(order, request.headers.get("apiKey", ""))

        @router.post("/version1/messaging/bulk", include_in_schema=False)
        async def send_bulk(body: _Bulk, request: Request) -> Response:
            order = _Order(body.username, body.sender_id, body.message, body.phone_numbers)
            return await self._take(order, request.headers.get("apiKey", ""))

        @router.get("/sms", include_in_schema=False)
        async def received(request: Request) -> Response:
            messages = self._newest_first()
            if "text/html" in request.headers.get("Accept", ""):
                return page("sms.html", messages=messages)
            return json_response(messages)

        @router.post("/_control/sms/mode", tags=["sms"])
        async def mode(body: SmsMode) -> Response:
            self._mode = body
            self._reports.url = body.report_url if body.report_url is not None else self._config.sms_report_url
            return json_response(body.model_dump())

        return [router]

    def operation(self, scope: Scope) -> str | None:
        return "send" if scope["path"] in ("/version1/messaging", "/version1/messaging/bulk") else None

    def state(self) -> dict[str, Any]:
        return {"sms": self._newest_first()}

    def reset(self) -> None:
        self._rows.clear()
        self._mode = SmsMode()
        self._reports.reset()
        self._reports.url = self._config.sms_report_url

    async def start(self) -> None:
        """Reports begin with the messages that they are about."""

    async def stop(self) -> None:
        await self._reports.stop()

    def _newest_first(self) -> list[dict[str, Any]]:
        return [row.wire() for row in reversed(self._rows.all())]

    async def _take(self, order: _Order, api_key: str) -> Response:
        if order.username not in USERNAMES or not hmac.compare_digest(api_key.encode(), self._config.sms_key.encode()):
            return Response("The supplied authentication is invalid", status_code=401, media_type="text/plain")
        if not order.message:
            return _answer("Message is empty", [])
        recipients = [await self._recipient(order, number) for number in order.numbers]
        sent = sum(1 for recipient in recipients if recipient["statusCode"] in ACCEPTED)
        cost = f"GMD {float(COST_GMD) * sent:.4f}"
        return _answer(f"Sent to {sent}/{len(recipients)} Total Cost: {cost}", recipients)

    async def _recipient(self, order: _Order, number: str) -> dict[str, Any]:
        code = self._code_for(number)
        status = STATUS_NAMES.get(code, "Unknown")
        if code not in ACCEPTED:
            return {"statusCode": code, "number": number, "status": status, "cost": "0", "messageId": "None"}
        sms = Sms(f"ATXid_{secrets.token_hex(12)}", number, order.sender, order.message, self._clock.now(), status)
        self._rows.save(sms)
        await self._report(sms)
        return {"statusCode": code, "number": number, "status": status, "cost": f"GMD {COST_GMD}", "messageId": sms.id}

    async def _report(self, sms: Sms) -> None:
        mode = self._mode
        if mode.report is None:
            return
        number = other_form(sms.to) if mode.report_other_form else sms.to
        if mode.report_early:
            await self._reports.send_now(message_id=sms.id, number=number, status=mode.report, reason=mode.report_reason)
        else:
            steps = ["Submitted", "Sent", mode.report]
            self._reports.emit(message_id=sms.id, number=number, statuses=steps, reason=mode.report_reason)

    def _code_for(self, number: str) -> int:
        if not _E164.fullmatch(number) or (self._mode.reject_seven_digits and _OLD_GAMBIAN.fullmatch(number)):
            return 403
        return self._mode.status_code


def _answer(message: str, recipients: list[dict[str, Any]]) -> Response:
    return json_response({"SMSMessageData": {"Message": message, "Recipients": recipients}}, 201)

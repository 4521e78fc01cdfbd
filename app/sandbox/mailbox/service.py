"""The mail server as a service of the sandbox: its two ports, its page, its control addresses."""

from __future__ import annotations

import asyncio
import base64
import logging
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Scope

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.html import page
from app.sandbox.mailbox.imap import Account, ImapServer, MailMode
from app.sandbox.mailbox.models import Folder, Letter
from app.sandbox.problems import json_response
from app.sandbox.store import Store

_SHOWN = 60
# A mail server of the field takes about as much.
_MOST_BYTES = 40 * 1024 * 1024
logging.getLogger("mail.log").setLevel(logging.ERROR)


class Delivery(BaseModel):
    """A mail for the mailbox: whole as base64 in `raw`, or made of the other fields. `copies` gives it several numbers."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    raw: str = ""
    sender: str = Field(default="Awa Ceesay <awa@example.gm>", alias="from")
    to: str = ""
    subject: str = ""
    text: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    file_name: str = ""
    file: str = ""
    seen: bool = False
    copies: int = Field(default=1, ge=1, le=20)


class _Taker:
    """aiosmtpd's handler: every mail is taken."""

    def __init__(self, service: MailboxService) -> None:
        self._service = service

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._service.mode.refuse_smtp:
            return "451 4.3.0 Try again later"
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self._service.folder.take([str(one) for one in envelope.rcpt_tos], content)
        return "250 2.0.0 taken"


class MailboxService:
    """Listens where the configuration says; a port of 0 is not listened on. Has no calls over HTTP, so faults are its own `mode`."""

    name = "mail"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock) -> None:
        self._config = config
        self.folder = Folder(store, clock)
        self.mode = MailMode()
        account = Account(config.mail_user, config.mail_password)
        self._imap = ImapServer(self.folder, account, lambda: self.mode)
        self._servers: list[asyncio.Server] = []

    def routers(self) -> list[APIRouter]:
        router = APIRouter()
        self._add_page(router)
        self._add_control(router)
        return [router]

    def operation(self, scope: Scope) -> str | None:
        return None

    def state(self) -> dict[str, Any]:
        numbers = self.folder.numbers
        return {
            "mailbox": [letter.wire() for letter in self.folder.letters()],
            "mailbox_validity": numbers.validity,
            "mail_sent": [sent.wire() for sent in reversed(self.folder.sent())],
        }

    def reset(self) -> None:
        self.folder.clear()
        self.mode = MailMode()

    async def start(self) -> None:
        host = self._config.host
        if self._config.imap_port:
            self._servers.append(await asyncio.start_server(self._imap.talk, host, self._config.imap_port, limit=2 << 20))
        if self._config.smtp_port:
            loop = asyncio.get_running_loop()
            taker = _Taker(self)

            def talk() -> SMTP:
                return SMTP(taker, loop=loop, hostname="sandbox.inet.demo", data_size_limit=_MOST_BYTES, enable_SMTPUTF8=True)

            self._servers.append(await loop.create_server(talk, host, self._config.smtp_port))

    async def stop(self) -> None:
        self._imap.hang_up()
        for server in self._servers:
            server.close()

    def deliver(self, order: Delivery) -> list[Letter]:
        raw = base64.b64decode(order.raw) if order.raw else _written(order, to=order.to or self._config.mail_user)
        return [self.folder.deliver(raw, seen=order.seen) for _ in range(order.copies)]

    def _add_page(self, router: APIRouter) -> None:
        @router.get("/mail", include_in_schema=False)
        async def mail(request: Request) -> Response:
            sent = [one.wire() for one in reversed(self.folder.sent()[-_SHOWN:])]
            if "text/html" not in request.headers.get("Accept", ""):
                return json_response(sent)
            got = [one.wire() for one in reversed(self.folder.letters()[-_SHOWN:])]
            answered = next((one for one in sent if one["key"] == request.query_params.get("reply", "")), None)
            return page("mail.html", sent=sent, got=got, answered=answered, address=self._config.mail_user)

        @router.post("/mail", include_in_schema=False)
        async def send(request: Request) -> Response:
            async with request.form() as form:
                fields = {name: str(value) for name, value in form.items() if isinstance(value, str)}
                upload = form.get("file")
                file = b"" if upload is None or isinstance(upload, str) else await upload.read()
                file_name = (getattr(upload, "filename", "") or "") if file else ""
            order = Delivery(
                sender=fields.get("from") or "Awa Ceesay <awa@example.gm>",
                to=fields.get("to", ""),
                subject=fields.get("subject", ""),
                text=fields.get("text", ""),
                headers={name: fields[name.lower()] for name in ("In-Reply-To", "References") if fields.get(name.lower())},
                file_name=file_name,
                file=base64.b64encode(file).decode(),
            )
            self.deliver(order)
            return RedirectResponse("/mail", status_code=303)

    def _add_control(self, router: APIRouter) -> None:
        @router.post("/_control/mail/mode", tags=["mail"])
        async def mode(body: MailMode) -> Response:
            self.mode = body
            return json_response(body.model_dump())

        @router.post("/_control/mail/deliver", tags=["mail"])
        async def deliver(body: Delivery) -> Response:
            return json_response({"uids": [letter.uid for letter in self.deliver(body)]})

        @router.post("/_control/mail/again/{uid}", tags=["mail"])
        async def again(uid: int) -> Response:
            letter = self.folder.letter(uid)
            if letter is None:
                return json_response({"uids": []}, 404)
            return json_response({"uids": [self.folder.deliver(letter.content).uid]})

        @router.post("/_control/mail/renumber", tags=["mail"])
        async def renumber() -> Response:
            return json_response({"validity": self.folder.renumber()})


def _written(order: Delivery, *, to: str) -> bytes:
    mail = EmailMessage()
    fields = {"From": order.sender, "To": to, "Subject": order.subject, "Date": formatdate(), "Message-ID": make_msgid(domain="example.gm")}
    for name, value in (fields | order.headers).items():
        mail[name] = " ".join(value.split())
    mail.set_content(order.text)
    if order.file:
        content = base64.b64decode(order.file)
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=order.file_name or "file")
    return mail.as_bytes()

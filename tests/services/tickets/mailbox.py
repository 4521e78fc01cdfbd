"""A real mail server for tests: the sandbox's, on free ports, with the product's settings pointing at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.sandbox.config import SandboxConfig
from app.sandbox.main import create_app
from services.integrations.imap import ImapClient
from tests.app.sandbox.harness import serving
from tests.conftest import free_port


@dataclass
class Mailbox:
    http: httpx.Client
    imap_url: str
    smtp_url: str

    def client(self, *, timeout_seconds: float = 5.0) -> ImapClient:
        return ImapClient(self.imap_url, timeout_seconds=timeout_seconds)

    def order(self, path: str, **body: Any) -> Any:
        return self.http.post(f"/_control/{path}", json=body).raise_for_status().json()

    def deliver(self, text: str = "No Wi-Fi", **fields: Any) -> list[int]:
        return list(self.order("mail/deliver", text=text, **fields)["uids"])

    def mails(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_control/state").json()["mailbox"])

    def sent(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_control/state").json()["mail_sent"])


@contextmanager
def mail_server(directory: Path) -> Iterator[Mailbox]:
    imap, smtp = free_port(), free_port()
    app = create_app(SandboxConfig(data_dir=directory, imap_port=imap, smtp_port=smtp, router_count=0))
    with serving(app, linger=True) as url, httpx.Client(base_url=url, timeout=10, trust_env=False) as http:
        yield Mailbox(
            http,
            f"imap://help%40inet.demo:sandbox-mail@127.0.0.1:{imap}/INBOX?tls=no",
            f"smtp://127.0.0.1:{smtp}/?from=help@inet.demo&tls=no",
        )

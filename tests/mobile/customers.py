"""A customer's phone that asks the apps' JSON, logged in already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from sqlmodel import Session
from starlette.testclient import TestClient

from app.clock import utc_now
from services.apps.callers import Caller
from services.apps.devices import Opened
from tests.mobile.log_ins import PREFIX
from tests.services.apps.texting import a_person, enrolled, logged_in


@dataclass
class Phone:
    """`caller` is who the services would say is asking."""

    line: TestClient
    caller: Caller
    token: str

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        return self.line.request(method, f"{PREFIX}/{path}", headers=sent, **more)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.ask("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


def a_phone(line: TestClient, session: Session, number: str | None = None) -> Phone:
    return _phone(line, logged_in(session, number, now=utc_now()))


def technicians_phone(line: TestClient, session: Session) -> Phone:
    return _phone(line, enrolled(session, a_person(session), now=utc_now()))


def _phone(line: TestClient, opened: tuple[Opened, Caller]) -> Phone:
    return Phone(line, opened[1], opened[0].access_token)

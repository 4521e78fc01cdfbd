"""Asking the JSON API as staff of any role, as an outside service, or as nobody."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from sqlmodel import select

from app.clock import utc_now
from app.db import transaction
from services.accounts import access_tokens, sessions
from services.accounts.models import Role, Staff
from services.accounts.tokens import create_api_token
from tests.pages import builders

Headers = dict[str, str]


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def staff_token(role: Role) -> str:
    """An access token of this role's person, in a session of its own, without the cost of a password."""
    with transaction() as session:
        person = session.exec(select(Staff).where(Staff.email == builders.email_of(role))).one()
        assert person.id is not None
        opened = sessions.open_refreshable(person, now=utc_now())
        return access_tokens.make(staff_id=person.id, session_id=opened.session_id, now=utc_now())


def service_token(*scopes: str) -> str:
    with transaction() as session:
        return create_api_token(session, name=f"test-{secrets.token_hex(3)}", scopes=scopes, now=utc_now())


@dataclass
class Api:
    """The application, and who asks it."""

    http: httpx.Client

    def staff(self, role: Role) -> Headers:
        return bearer(staff_token(role))

    def service(self, *scopes: str) -> Headers:
        return bearer(service_token(*scopes))

    def get(self, path: str, who: Headers, **query: Any) -> Any:
        answer = self.http.get(path, params=query, headers=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log_in(self, role: Role = Role.CUSTOMER_CARE) -> dict[str, Any]:
        """By e-mail and password, as a program of the staff does."""
        answer = self.http.post("/api/auth/login", json={"email": builders.email_of(role), "password": builders.PASSWORD})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def every(self, path: str, who: Headers, limit: int = 2, **query: Any) -> Iterable[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, who, limit=limit, **({"cursor": cursor} if cursor else {}), **query)
            assert len(page["items"]) <= limit
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return


def refusal(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal (RFC 9457)."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert set(body) >= {"type", "title", "status", "detail", "instance", "correlation_id"}
    assert code is None or body["code"] == code, body
    return body

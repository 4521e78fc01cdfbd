"""Writes: `Idempotency-Key` on what creates or acts, `If-Match` on what changes a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import orjson
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlmodel import Session

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.errors import DomainError, ErrorKind
from services.accounts.idempotency import Answer, once
from services.accounts.permissions import Principal

# What is in answers belongs to whoever asked, and some of it is shown only once.
NO_STORE = {"Cache-Control": "no-store"}


class IfMatchMissing(DomainError):
    kind: ClassVar[ErrorKind] = ErrorKind.PRECONDITION_MISSING
    code, title = "precondition_missing", "If-Match is missing"
    message = "Read the record, and send its ETag back as If-Match, so that nobody's change is overwritten unseen."


def tag_header(revision: str) -> dict[str, str]:
    return {"ETag": f'"{revision}"'}


def tagged(*statuses: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that answers a record with its ETag."""
    header = {"description": "Send it as If-Match with a change", "required": True, "schema": {"type": "string"}}
    return {status: {"headers": {"ETag": header}}, **refusals(*statuses)}


def _expected(
    if_match: Annotated[str | None, Header(max_length=100, description="The ETag of the record as it was read, or `*`")] = None,
) -> str | None:
    if if_match is None:
        raise IfMatchMissing
    text = if_match.strip()
    if text == "*":
        return None
    # A weak or unquoted tag never matches strongly (RFC 9110 §13.1.1), and so it is simply another state.
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else f"not strong: {text}"


Expected = Annotated[str | None, Depends(_expected)]
"""The revision that the change was meant for; None for `*`, which takes whatever stands."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=8,
        max_length=200,
        description="A new random text for each wish. The same key and body again are answered the same and done once, for 24 hours.",
        examples=["6f2b1c1e-6a0c-4d53-9a3b-2f0f5f3f9f11"],
    ),
]


@dataclass(frozen=True)
class Wish:
    """One write: who wants what, and under which key."""

    actor: Principal
    request: Request
    key: str | None

    def answer(
        self, work: Callable[[Session], tuple[BaseModel, dict[str, str]]], *, body: BaseModel | None = None, status: int = 200
    ) -> Response:
        """Do the work in a transaction of its own and answer it, or answer again what was answered under the key."""

        def done(session: Session) -> Answer:
            model, headers = work(session)
            return Answer(status, model.model_dump_json().encode(), headers)

        with transaction() as session:
            answer = (
                done(session)
                if self.key is None
                else once(session, actor=self.actor, key=self.key, request=self._as_bytes(body), now=utc_now(), work=done)
            )
        return Response(answer.body, answer.status, {**answer.headers, **NO_STORE}, "application/json")

    def _as_bytes(self, body: BaseModel | None) -> bytes:
        return orjson.dumps([self.request.method, self.request.url.path, body.model_dump(mode="json") if body is not None else None])

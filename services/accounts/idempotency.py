"""`Idempotency-Key`: a write that is repeated is done once, and answered with the same words again.

The answer is kept in the transaction of the work itself, so that both stand or neither does, whatever dies between. While it is at work
an advisory lock of that transaction names the key: who comes second is told to wait, and a process that dies frees it. A refusal changed
nothing and is not kept: the repeat is decided anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlmodel import Session, select

from app.errors import Conflict, InvalidInput
from app.keys import seal_json, unseal_json
from services.accounts.models import IdempotentAnswer

KEPT = timedelta(hours=24)
SEALED_FOR = "idempotent-answer"


class KeyReused(InvalidInput):
    code, title = "idempotency_mismatch", "Idempotency-Key already used"
    message = "This Idempotency-Key was used with another request. Send a new key for a new request."


class StillAtWork(Conflict):
    code, title = "idempotency_in_progress", "The same request is still at work"
    message = "A request with this Idempotency-Key is still at work. Repeat it in a second to get its answer."

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class Asker(Protocol):
    """Whose key it is: keys of two people, also of two kinds, never meet."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> int: ...


@dataclass(frozen=True)
class Answer:
    """What was answered, byte for byte."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def once(session: Session, *, actor: Asker, key: str, request: bytes, now: datetime, work: Callable[[Session], Answer]) -> Answer:
    """Do the work, or answer what it answered before under this key. `request` is all that makes two requests the same.

    Raises StillAtWork, KeyReused, and whatever the work raises.
    """
    principal, key_mac = f"{actor.kind}:{actor.id}", hashlib.sha256(key.encode()).hexdigest()
    if not session.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_lock_number(principal, key_mac)))).scalar_one():
        raise StillAtWork
    # Keyed by what only the client holds: a body may be as easy to guess as a phone number.
    digest = hmac.new(key.encode(), request, hashlib.sha256).hexdigest()
    kept = session.exec(
        select(IdempotentAnswer).where(IdempotentAnswer.principal == principal, IdempotentAnswer.key_mac == key_mac)
    ).one_or_none()
    if kept is not None and kept.created_at > now - KEPT:
        if kept.request_digest != digest:
            raise KeyReused
        return _read(kept)
    if kept is not None:
        session.delete(kept)
        session.flush()
    answer = work(session)
    session.add(
        IdempotentAnswer(
            principal=principal,
            key_mac=key_mac,
            request_digest=digest,
            status=answer.status,
            body_sealed=seal_json(SEALED_FOR, {"body": base64.b64encode(answer.body).decode(), "headers": answer.headers}),
            created_at=now,
        )
    )
    session.flush()
    return answer


def _lock_number(principal: str, key_mac: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{principal}|{key_mac}".encode()).digest()[:8], signed=True)


def _read(kept: IdempotentAnswer) -> Answer:
    assert kept.status is not None
    assert kept.body_sealed is not None
    held = unseal_json(SEALED_FOR, kept.body_sealed)
    body, headers = held["body"], held["headers"]
    assert isinstance(body, str)
    assert isinstance(headers, dict)
    return Answer(kept.status, base64.b64decode(body), headers)

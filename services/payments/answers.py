"""The very hot question "is my payment through?": answered from Redis, told anew by PostgreSQL, gone with any change."""

from __future__ import annotations

from sqlmodel import Session

from app import redis
from app.db import after_commit
from services.payments.models import Payment


def key(public_id: str) -> str:
    return f"payment-answer:{public_id}"


def forget(session: Session, payment: Payment) -> None:
    """Drop the kept answer once the change stands. A lost drop costs at most the answer's few seconds of life."""
    public_id = payment.public_id
    after_commit(session, lambda: redis.client().delete(key(public_id)), key=key(public_id))

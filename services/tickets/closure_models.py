"""How a ticket ended for the customer, and the models that learnt from what staff decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime


class TicketRating(SQLModel, table=True):
    """What the customer said of our help, from 1 (bad) to 5 (good); the last word counts."""

    __tablename__ = "ticket_rating"
    __table_args__ = (sa.CheckConstraint("score BETWEEN 1 AND 5", name="score_on_scale"), sa.Index("ix_ticket_rating_at", "at"))

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    score: int
    comment: str = Field(default="", max_length=1000)
    at: datetime = Field(sa_type=UtcDateTime)


class TriageModel(SQLModel, table=True):
    """A model that was retrained, and how it did on held-back tickets. With none in use, the shipped one is."""

    __tablename__ = "triage_model"
    __table_args__ = (sa.Index("uq_triage_model_in_use", "is_in_use", unique=True, postgresql_where=sa.text("is_in_use")),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    version: str = Field(max_length=60, unique=True)
    # Under the data folder.
    file: str | None = Field(default=None, max_length=200)
    scores: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    examples: int = 0
    is_in_use: bool = False
    why: str = Field(default="", max_length=300)
    made_by: str = Field(default="system", max_length=254)
    created_at: datetime = Field(sa_type=UtcDateTime)

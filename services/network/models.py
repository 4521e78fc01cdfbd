"""Where: the places that hotspots stand at."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field, SQLModel


class Site(SQLModel, table=True):
    """A place with one or more gateways, such as a market or a lodge."""

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=120, unique=True)

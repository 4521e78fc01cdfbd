"""What the apps' bodies, addresses and answers have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BeforeValidator, Field

from services.apps.mutations.kinds import Payload

NO_STORE = {"Cache-Control": "no-store"}
"""For what is worth money, or private: no phone and nobody on the way keeps the answer."""
MOST = 2**63 - 1
RowId = Annotated[int, Path(ge=1, le=MOST, description="The number of the record, as a sync names it")]
RowText = Annotated[str, Field(pattern=r"^\d{1,18}$", description="The number of a record, as a sync names it", examples=["17"])]
ClientId = Annotated[
    str,
    Field(
        min_length=8,
        max_length=64,
        pattern=r"^[\w.:-]+$",
        description="The app's own name of this wish, made once: sent again under it, it is the same one",
        examples=["0192f1c2-7c1e-7d9a-b1a4-6a1b2c3d4e5f"],
    ),
]


def _text_alone(value: object) -> object:
    # Pydantic would take numbers for seconds since 1970, which the document does not promise.
    if not isinstance(value, str | datetime):
        raise ValueError("is not a time: send ISO 8601, such as 2026-11-22T12:00:00Z")  # noqa: TRY004 - pydantic's own way to refuse
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_text_alone)]
"""A time as text, with its zone."""


class Body(Payload):
    """A body of a request: what it does not know is refused, so that nothing is set by the way."""

"""Everything that is kept of a customer, as one JSON document for themself.

Written row by row, so that its size is bounded by nobody's memory. Codes and keys are never in it: a file is passed on more easily than a
phone. What is left out is named with its reason, and a test fails on a table that is neither exported nor named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, Any

import orjson
from sqlmodel import Session

from app import limits
from services.accounts.models import Customer
from services.apps import own_data_shop, own_data_words
from services.apps.callers import Caller
from services.apps.own_data_shape import Part

PARTS = (*own_data_shop.PARTS, *own_data_words.PARTS)
_ADAY = limits.Limit("own-data", "5 per day")
_AT_ONCE = 500
LEFT_OUT: Mapping[str, str] = {
    "access_grant": "Attempts to open a router; what came of them stands under sessions.",
    "checkout": "Wave's own numbers of a payment that stands under payments.",
    "deauth_order": "Orders to routers; what came of them stands under sessions.",
    "enrolment": "Only of staff's phones.",
    "erasure_request": "Staff's own steps of deleting an account; it holds nothing of the person.",
    "idempotent_answer": "Answers kept for a day for requests that are repeated, sealed.",
    "outbound_call": "Our calls to Wave and PortaBilling, without anything of the person.",
    "part_used": "What staff used up in their work.",
    "reconciliation_finding": "Sums of a payment compared with Wave's and PortaBilling's; it stands under payments.",
    "sla_step": "Our own deadlines.",
    "sync_change": "Which of these rows a phone has still to fetch.",
    "ticket_event": "Staff's own history of a ticket, with names of staff; how it stands is exported.",
    "ticket_label": "What staff decided that a ticket is about.",
    "ticket_link": "Which tickets staff sees together.",
    "ticket_operation": "Staff's own steps.",
    "ticket_search": "The words of the ticket once more, for search.",
    "ticket_tag": "Staff's own notes.",
    "ticket_watcher": "Which of the staff looks on.",
    "visit": "Staff's own work.",
    "visit_check": "Staff's own work.",
    "wave_movement": "Wave's own list of a payment that stands under payments.",
}


def count_wish(caller: Caller) -> None:
    """Raises TooMany after the fifth of a day, or Forbidden for a technician's phone."""
    limits.count(_ADAY, str(caller.customer()))


def write(session: Session, caller: Caller, out: IO[bytes], *, now: datetime) -> None:
    """Write the document to `out`. Raises Forbidden for a technician's phone."""
    write_of(session, session.get_one(Customer, caller.customer()), out, now=now)


def write_of(session: Session, customer: Customer, out: IO[bytes], *, now: datetime) -> None:
    """The same of any customer; who may ask for it is asked by the use cases."""
    out.write(b'{"made_at":' + _json(now) + b',"profile":' + _json(profile_of(customer)))
    for name, rows in parts_of(session, customer):
        out.write(b"," + _json(name) + b":[")
        for number, row in enumerate(rows):
            out.write((b"," if number else b"") + _json(row))
        out.write(b"]")
    out.write(b',"left_out":' + _json([f"{table}: {why}" for table, why in LEFT_OUT.items()]) + b"}")


def profile_of(customer: Customer) -> dict[str, Any]:
    """Who it is."""
    return {
        "number": customer.id,
        "phone": customer.phone_e164,
        "phone_in_its_old_form": customer.legacy_e164,
        "name": customer.name,
        "language": customer.language,
        "customer_since": customer.created_at,
    }


def parts_of(session: Session, customer: Customer) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Each kind of thing that is kept of them, with its rows in the order in which they came; read as they are asked for."""
    for part in PARTS:
        yield part.name, _rows(session, part, customer)


def _rows(session: Session, part: Part, customer: Customer) -> Iterator[dict[str, Any]]:
    found = session.execute(part.query(customer).execution_options(yield_per=_AT_ONCE))
    for row in found.mappings():
        yield part.shown(dict(row))


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z, default=str)


def tables_exported() -> set[str]:
    """The tables that the document tells of."""
    return {"customer", *(part.table for part in PARTS)}

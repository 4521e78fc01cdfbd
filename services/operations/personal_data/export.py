"""What is kept of a customer, handed out by staff: the same document that the app gives, as JSON or as a page to read and to print."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import IO

from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.apps import own_data
from services.audit import service as audit
from services.operations.models import ErasureChannel, ErasureProof
from services.operations.personal_data import readable
from services.operations.personal_data.errors import NobodyLeft


class ExportForm(StrEnum):
    JSON = "json"
    HTML = "html"


def file_name(customer_id: int, form: ExportForm) -> str:
    """Without anything of the person: names of files end up in histories."""
    return f"inet-customer-{customer_id}.{form.value}"


def export(
    session: Session,
    out: IO[bytes],
    *,
    actor: Principal,
    customer_id: int,
    form: ExportForm,
    channel: ErasureChannel,
    proof: ErasureProof,
    now: datetime,
) -> None:
    """Write all that is kept of the customer to `out`. That it was handed out is audited, and to whom, without any of it.

    Raises Forbidden, FreshProofNeeded, CustomerNotFound or NobodyLeft.
    """
    actor.require(Permission.PERSONAL_DATA_READ)
    actor.require_proof(now=now)
    if actor.kind != "staff":
        raise InvalidInput("Only a person hands out a person's data.", field="actor")
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise CustomerNotFound("There is no customer under that number.")
    if customer.erased_at is not None:
        raise NobodyLeft
    after = {"form": form, "channel": channel, "proof": proof}
    audit.record(session, actor, "customer.export_data", target=("customer", customer_id), now=now, after=after)
    (own_data.write_of if form is ExportForm.JSON else readable.write)(session, customer, out, now=now)

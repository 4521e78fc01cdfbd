"""A customer's phone number is changed: a key to the new one, then the change."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from mobile.auth import KeySent
from mobile.people import CustomerPerson, customer_person
from mobile.security import CustomerPhone
from mobile.shapes import Body
from services.apps import numbers

router = APIRouter(prefix="/profile/phone", tags=["mobile"])


class NewNumber(Body):
    phone: str = Field(min_length=1, max_length=32, examples=["701 2345"], description="The new number, in either form")


class NewNumberShown(NewNumber):
    key: str = Field(min_length=6, max_length=12, examples=["402718"], description="The six digits of the SMS to the new number")


@router.post("/request-key", summary="Ask for a key to a new number", status_code=202)
def request_number_key(body: NewNumber, caller: CustomerPhone) -> KeySent:
    """Sends six digits to the new number. Whether that has an account already is told only to who brings the key."""
    with transaction() as session:
        asked = numbers.request_key(session, caller=caller, phone=body.phone, now=utc_now())
    return KeySent(resend_after=asked.resend_after, expires_in=asked.expires_in)


@router.put("", summary="Change the phone number", responses=refusals(409, 410))
def change_number(body: NewNumberShown, caller: CustomerPhone) -> CustomerPerson:
    """The account belongs to the new number from now on, and the old one is told by SMS. All phones stay logged in. Sent again after a lost
    answer, it answers the same.
    """
    with transaction() as session:
        return customer_person(numbers.change_number(session, caller=caller, phone=body.phone, key=body.key, now=utc_now()))

"""Log-in of the apps: a key by SMS for customers, a code from the console for technicians, then short tokens and a device key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from app import limits, origin
from app.access import public
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from mobile.people import DeviceName, Person, PhoneFacts, device_name, person_of
from mobile.security import AnyPhone
from mobile.shapes import Body
from services.accounts.customers import device_from_token, token_for
from services.accounts.models import Staff
from services.apps import devices, enrolment, login, tries
from services.apps.devices import KeyRefused, Opened
from services.apps.models import KeyPurpose
from services.apps.tokens import LIFETIME

router = APIRouter(prefix="/auth", tags=["mobile"])
DEVICE_HEADER = "X-Device-Token"
DeviceToken = Annotated[
    str | None,
    Header(
        alias=DEVICE_HEADER, max_length=300, description="By which the shop knows this phone, as the portal gave it: links what was bought"
    ),
]
# A device key cannot be guessed; this only bounds what one address makes us do. With Redis away it does not count.
_REFRESHES = limits.Limit("app-refresh", "1200 per minute")


class KeyRequest(Body):
    phone: str = Field(min_length=1, max_length=32, examples=["301 2345"], description="In either form, with or without +220")
    purpose: Literal["log_in"] = "log_in"


class KeySent(BaseModel):
    """The same whether the number is known or not, and whether a text was sent or the last one still stands."""

    resend_after: int = Field(description="Seconds until a new key may be asked for", examples=[60])
    expires_in: int = Field(description="Seconds that the last key is still good for", examples=[600])


class KeyShown(Body):
    phone: str = Field(min_length=1, max_length=32, examples=["301 2345"])
    key: str = Field(min_length=6, max_length=12, examples=["402718"], description="The six digits of the SMS")
    device: PhoneFacts = Field(default_factory=PhoneFacts)


class Refresh(Body):
    device_key: str = Field(min_length=1, max_length=200)
    device: PhoneFacts | None = Field(default=None, description="What has changed of the phone; a name that its owner gave it stays")


class CodeShown(Body):
    code: str = Field(min_length=1, max_length=64, examples=["BCDF-GHJK-MNPR-STVW"], description="As the console shows it, or of its QR")
    device: PhoneFacts = Field(default_factory=PhoneFacts)


class Tokens(BaseModel):
    """`device_key` is good for one refresh, and kept on the phone before anything else is done with the answer."""

    access_token: str = Field(description="Send it as `Authorization: Bearer`")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Seconds until the access token ends", examples=[600])
    device_key: str = Field(description="Good for one use at `auth/refresh`")
    device: DeviceName
    person: Person


def _tokens(session: Session, opened: Opened, response: Response, *, staff: Staff | None = None) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return Tokens(
        access_token=opened.access_token,
        expires_in=int(LIFETIME.total_seconds()),
        device_key=opened.device_key,
        device=device_name(opened.device),
        person=person_of(session, devices.caller_on(opened.device, staff)),
    )


@router.post(
    "/request-key",
    summary="Ask for a key by SMS",
    status_code=202,
    dependencies=[public("who logs in has no token yet; each text is counted by number, address and phone")],
)
def request_key(body: KeyRequest, device_token: DeviceToken = None) -> KeySent:
    """Sends six digits to the number, known or not. Asked again before `resend_after`, nothing is sent and the answer is the same."""
    with transaction() as session:
        known = device_from_token(session, device_token)
        tries.count_device(known.id if known is not None else None)
        asked = login.request_key(session, phone=body.phone, purpose=KeyPurpose(body.purpose), now=utc_now())
    return KeySent(resend_after=asked.resend_after, expires_in=asked.expires_in)


@router.post(
    "/verify-key",
    summary="Log in with the key",
    responses=refusals(410),
    dependencies=[public("who logs in has no token yet; a key has five tries")],
)
def verify_key(body: KeyShown, response: Response, device_token: DeviceToken = None) -> Tokens:
    """Opens once. `key_wrong` says how many tries are left; `key_spent` means: ask for a new one. After a lost answer a new key is sent
    at once. The header `X-Device-Token` of the answer is how the portal knows this phone again.
    """
    now = utc_now()
    with transaction() as session:
        known = device_from_token(session, device_token)
        opened, _ = login.log_in(session, phone=body.phone, key=body.key, on=body.device.phone, device=known, now=now)
        assert opened.device.device_id is not None
        response.headers[DEVICE_HEADER] = token_for(opened.device.device_id)
        return _tokens(session, opened, response)


@router.post("/refresh", summary="Swap the device key", dependencies=[public("the device key itself is the credential")])
def refresh_tokens(body: Refresh, response: Response) -> Tokens:
    """Answers a new key and a new token. When the answer is lost the same key is sent again; one that was used up logs the phone out."""
    limits.count(_REFRESHES, origin.current())
    on = body.device.phone if body.device is not None else None
    tokens = _swapped(body.device_key, on, response, now=utc_now())
    if tokens is None:
        raise KeyRefused
    return tokens


def _swapped(device_key: str, on: devices.Phone | None, response: Response, *, now: datetime) -> Tokens | None:
    """None when the phone was logged out for showing a used key: that is committed before it is refused."""
    with transaction() as session:
        opened = devices.refresh(session, device_key=device_key, phone=on, now=now)
        if opened is None:
            return None
        staff = session.get(Staff, opened.device.staff_id) if opened.device.staff_id is not None else None
        return _tokens(session, opened, response, staff=staff)


@router.post(
    "/enrol",
    summary="Enrol a technician's phone",
    responses=refusals(410),
    dependencies=[public("who enrols has no token yet; the code opens once, within ten minutes")],
)
def enrol(body: CodeShown, response: Response) -> Tokens:
    """With the code that the console shows under Your account. From then on the phone may do what its person may."""
    with transaction() as session:
        opened, person = enrolment.enrol(session, code=body.code, on=body.device.phone, now=utc_now())
        return _tokens(session, opened, response, staff=person)


@router.post("/logout", summary="Log out", status_code=204)
def log_out(caller: AnyPhone) -> None:
    """Token and device key of this phone open nothing from now on, and no push goes to it any more."""
    with transaction() as session:
        devices.log_out(session, caller=caller, now=utc_now())

"""What a phone at a hotspot loads: plain pages and forms that work without JavaScript, cookies or storage (opennds.md §7).

Which client of which hotspot asks travels in the address (`?c=`) and in a hidden field of every form. A GET changes nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import anyio.to_thread
import structlog
from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app.access import public
from app.db import transaction
from app.errors import DomainError
from app.outbound import run_outbound
from portal import captive, help_pages, last_prices, limits, rendering, tickets
from portal.buying import From, Wish, buy_for, counter, price_with
from portal.last_prices import Seen
from portal.limits import Asker
from portal.pay_page import pay_page
from portal.proof import Proof
from portal.visits import Linked, PageRoute, Posted, Problem, Text, Visit, error_page, form_page, problem_of
from services.access import slots
from services.access.context import HotspotContext
from services.access.entitlements import AccessView, usable_for_client, view_access
from services.access.entry import Entry, welcome_back
from services.access.errors import NoTimeLeft
from services.access.models import Entitlement
from services.access.slots import DeviceView
from services.accounts.customers import device_from_token, token_for
from services.packages.promos import Discount
from services.packages.service import offer_to_buy, offers, terms_of
from services.payments.find import find_by_receipt, payment_of_client, public_id_of, send_receipt_codes
from services.payments.models import TO_BE_SERVED, PaymentStatus
from services.vouchers.service import enter_code, find_by_code

log = structlog.get_logger(__name__)
_PUBLIC = [
    public("a customer at a hotspot has no account; what is private is proved by an unguessable id, a code or a phone"),
    Depends(limits.visits),
]
router = APIRouter(route_class=PageRoute, default_response_class=Response, include_in_schema=False, dependencies=_PUBLIC)
router.include_router(captive.places)
router.include_router(help_pages.router)
router.include_router(tickets.router)
fallback = APIRouter(route_class=PageRoute, default_response_class=Response, include_in_schema=False, dependencies=_PUBLIC)
"""Whatever else is asked for under `/portal/`: to be included after everything that lives there."""

ProofText = Annotated[str, Form(max_length=400)]
PaymentId = Annotated[str, Path(max_length=64, pattern=r"^[\w-]+$")]
_REFRESH_SECONDS, _AWAY_REFRESH_SECONDS = 4, 10
_UNDER_WAY = (PaymentStatus.CREATED, PaymentStatus.CHECKOUT_OPEN, PaymentStatus.ATTENTION, *TO_BE_SERVED)


@dataclass(frozen=True)
class _Own:
    """The time that this client has, and the devices that share it."""

    access: AccessView
    package_name: str
    devices: tuple[DeviceView, ...] = ()
    device_limit: int = 1


def _own(session: Session, entitlement: Entitlement, *, now: datetime) -> _Own:
    return _Own(view_access(session, entitlement, now=now), terms_of(session, entitlement.package_version_id).name)


def _with_devices(session: Session, visit: Visit) -> _Own | None:
    device = device_from_token(session, visit.device_token)
    entitlement = usable_for_client(session, visit.context, device, now=visit.now)
    if entitlement is None:
        return None
    devices = slots.devices_on(session, entitlement, device=device, context=visit.context)
    return replace(_own(session, entitlement, now=visit.now), devices=devices, device_limit=entitlement.device_limit)


def _own_of_client(session: Session, visit: Visit) -> _Own | None:
    device = device_from_token(session, visit.device_token)
    entitlement = usable_for_client(session, visit.context, device, now=visit.now)
    return _own(session, entitlement, now=visit.now) if entitlement else None


def _live(visit: Visit, path: str, own: _Own | None) -> dict[str, Any]:
    """What portal.js needs: to wait until the router answers, or to bring back a phone that this page did not recognise."""
    here = visit.link(path)
    if own is None:
        return {"self": here, "session": rendering.link("/api/portal/session", context_token="", **_context_query(visit))}
    is_waiting = own.access.state in ("connecting", "unconfirmed")
    # The page itself is asked for, not the JSON: asking that one lets the client in anew each time.
    return {"self": here, "poll": here if is_waiting else None, "state": own.access.state}


def _context_query(visit: Visit) -> dict[str, str]:
    return {"context": visit.token} if visit.token else {}


def _refresh(own: _Own | None) -> int | None:
    return _REFRESH_SECONDS if own is not None and own.access.state == "connecting" else None


def start_page(request: Request, context: HotspotContext | None, now: datetime) -> Response:
    """The price list, or what the client has already; blocking. Also what a hotspot's redirect is answered with."""
    return _start(Visit(request, context, now, context.token() if context else ""))


def _start(visit: Visit) -> Response:
    try:
        with transaction() as session:
            device = device_from_token(session, visit.device_token)
            own = _own_of_client(session, visit)
            payment = payment_of_client(session, visit.context, device, now=visit.now)
            price_list = offers(session, counter=counter(visit.context, visit.now))
    except OperationalError:
        seen = last_prices.last(visit.context, now=visit.now)
        if seen is None:
            raise
        return _start_without_database(visit, seen)
    last_prices.note(visit.context, price_list)
    payment_id = payment.public_id if payment and payment.status in _UNDER_WAY else None
    live = _live(visit, "/portal/", own)
    return visit.page("start", own=own, payment_id=payment_id, offers=price_list, live=live, refresh=_refresh(own), is_away=False)


def _start_without_database(visit: Visit, seen: Seen) -> Response:
    """What was sold a moment ago; the page asks again by itself."""
    log.warning("database.away", prices_seconds_old=round(seen.age))
    here = visit.link("/portal/")
    live = {"self": here, "poll": here, "state": "away"}
    return visit.page("start", own=None, payment_id=None, offers=seen.offers, live=live, refresh=_AWAY_REFRESH_SECONDS, is_away=True)


@router.get("/")
@router.get("/portal")
@router.get("/portal/")
def start(visit: Linked) -> Response:
    return _start(visit)


@router.get("/portal/session")
def session_page(visit: Linked) -> Response:
    return _session_page(visit)


def _session_page(visit: Visit, problem: Problem | None = None) -> Response:
    with transaction() as session:
        own = _with_devices(session, visit)
    return form_page(visit, "session", problem, own=own, live=_live(visit, "/portal/session", own), refresh=_refresh(own))


@router.post("/portal/session")
def connect(visit: Posted) -> Response:
    """ "Connect now": let a client with time left in again."""
    try:
        with transaction() as session:
            device = device_from_token(session, visit.device_token)
            back = welcome_back(session, _context(visit), device, now=visit.now)
        if back is None:
            raise NoTimeLeft
    except DomainError as error:
        return form_page(visit, "session", problem_of(error), own=None)
    return visit.go("/portal/session", device_token=_token(back))


@router.post("/portal/devices")
def free_device(visit: Posted, slot: Annotated[int, Form(ge=1, le=2**63 - 1)]) -> Response:
    """A customer takes another device off the purchase, without staff."""
    try:
        with transaction() as session:
            device = device_from_token(session, visit.device_token)
            entitlement = usable_for_client(session, _context(visit), device, now=visit.now)
            if entitlement is None:
                raise NoTimeLeft
            slots.free_own(session, entitlement, slot_id=slot, device=device, context=visit.context, now=visit.now)
    except DomainError as error:
        return _session_page(visit, problem_of(error))
    return visit.go("/portal/session")


def _context(visit: Visit) -> HotspotContext | None:
    """Raises StaleContext."""
    return visit.context if visit.context_token else None


def _token(entry: Entry) -> str | None:
    return token_for(entry.device.id) if entry.device is not None and entry.device.id is not None else None


@router.get("/portal/buy/{package_id}")
def buy_form(visit: Linked, package_id: str, gift: Annotated[str, Query(max_length=1)] = "") -> Response:
    """With `gift`, the form to buy it for another phone."""
    return _buy_page(visit, package_id, is_gift=bool(gift))


def _buy_page(
    visit: Visit,
    package_id: str,
    *,
    phone: str = "",
    buyer_phone: str = "",
    is_gift: bool = False,
    promo_code: str = "",
    price: Discount | None = None,
    problem: Problem | None = None,
    is_check: bool = False,
) -> Response:
    with transaction() as session:
        offer = offer_to_buy(session, package_id, counter(visit.context, visit.now))
    return form_page(
        visit,
        "buy",
        problem,
        offer=offer,
        # The key makes a double tap or a reload the same purchase.
        key=secrets.token_urlsafe(16),
        phone_value=phone,
        buyer_value=buyer_phone,
        is_gift=is_gift,
        promo_value=promo_code,
        price=price,
        amount=price.amount_bututs if price else offer.terms.amount_bututs,
        is_check=is_check,
    )


@router.post("/portal/buy/{package_id}")
async def buy(
    visit: Posted,
    package_id: str,
    phone: Text = "",
    key: Text = "",
    gift: Text = "",
    buyer_phone: Text = "",
    promo_code: Text = "",
    check: Text = "",
    proof: ProofText = "",
    work: Text = "",
) -> Response:
    """With `check` only the price with a promo code is asked for, and nothing is bought."""
    said: dict[str, Any] = {"phone": phone, "buyer_phone": buyer_phone, "is_gift": bool(gift), "promo_code": promo_code}
    try:
        asker = From(visit.context_token, visit.device_token, Proof(proof, work))
        if check:
            price = await anyio.to_thread.run_sync(price_with, package_id, promo_code, asker) if promo_code else None
            return await anyio.to_thread.run_sync(lambda: _buy_page(visit, package_id, price=price, **said))
        wish = Wish(package_id, phone, promo_code, bool(gift), buyer_phone if gift else "")
        # Another number or hotspot with the same form (the way back, and a correction) is another purchase.
        own_key = "\n".join((key, package_id, phone, visit.token, promo_code, gift, buyer_phone)) if key else None
        opened, token = await run_outbound(buy_for, wish, asker, own_key)
    except DomainError as error:
        problem = problem_of(error, fields=("phone", "buyer_phone", "promo_code"))
        return await anyio.to_thread.run_sync(lambda: _buy_page(visit, package_id, problem=problem, is_check=bool(check), **said))
    return visit.go(f"/portal/pay/{opened.payment_id}", device_token=token)


@router.get("/portal/pay/{payment_id}")
async def pay(visit: Linked, payment_id: PaymentId) -> Response:
    return await run_outbound(pay_page, visit, payment_id)


@router.get("/portal/voucher")
def voucher_form(visit: Linked) -> Response:
    return visit.page("voucher", code_value="")


@router.get("/portal/v/{code}")
def voucher_link(visit: Linked, code: Annotated[str, Path(max_length=64)]) -> Response:
    """The QR code on a voucher: filled in, and spent only by the button."""
    return visit.page("voucher", code_value=code.upper())


@router.post("/portal/voucher")
def enter_voucher(visit: Posted, code: Text = "", proof: ProofText = "", work: Text = "") -> Response:
    try:
        with transaction() as session:
            device = device_from_token(session, visit.device_token)
            with limits.entering(Asker(_context(visit), device), code, Proof(proof, work), now=visit.now):
                entry = enter_code(session, code=code, context=visit.context, device=device, now=visit.now)
            own = _own(session, entry.entitlement, now=visit.now)
    except DomainError as error:
        return form_page(visit, "voucher", problem_of(error, fields=("code",)), code_value=code)
    if visit.context is None:
        return visit.page("kept", own=own)
    return visit.go("/portal/session", device_token=_token(entry))


@router.get("/portal/find")
def find_form(visit: Linked) -> Response:
    return visit.page("find", tried="", phone_value="", reference_value="", code_value="")


@router.post("/portal/find")
def find(
    visit: Posted,
    kind: Text = "receipt",
    phone: Text = "",
    reference: Text = "",
    code: Text = "",
    proof: ProofText = "",
    work: Text = "",
) -> Response:
    paid = Proof(proof, work)
    try:
        if kind == "voucher":
            return _find_by_code(visit, code, paid)
        with transaction() as session:
            device = device_from_token(session, visit.device_token)
            with limits.guessing(Asker(_context(visit), device), reference, paid, now=visit.now, about_phone=phone):
                found = find_by_receipt(session, phone=phone, reference=reference, context=visit.context, device=device, now=visit.now)
    except DomainError as error:
        problem = problem_of(error, fields=("phone", "reference", "code"))
        return form_page(visit, "find", problem, tried=kind, phone_value=phone, reference_value=reference, code_value=code)
    token = token_for(found.device.id) if found.device is not None and found.device.id is not None else None
    return visit.go(f"/portal/pay/{found.payment_id}", device_token=token)


def _find_by_code(visit: Visit, code: str, paid: Proof) -> Response:
    with transaction() as session:
        device = device_from_token(session, visit.device_token)
        with limits.entering(Asker(_context(visit), device), code, paid, now=visit.now):
            entry = find_by_code(session, code=code, context=visit.context, device=device, now=visit.now)
        own = _own(session, entry.entitlement, now=visit.now)
        payment_id = public_id_of(session, entry.entitlement)
    if payment_id is not None:
        return visit.go(f"/portal/pay/{payment_id}", device_token=_token(entry))
    if visit.context is None:
        return visit.page("kept", own=own)
    return visit.go("/portal/session", device_token=_token(entry))


@router.post("/portal/find/send-code")
def send_code(visit: Posted, phone: Text = "") -> Response:
    try:
        limits.send_code(phone)
        with transaction() as session:
            send_receipt_codes(session, phone=phone, now=visit.now)
    except DomainError as error:
        problem = problem_of(error, prefix="send-", fields=("phone",))
        return form_page(visit, "find", problem, tried="", phone_value=phone, reference_value="", code_value="")
    return visit.page("sent")


@router.get("/portal/static/{name}")
def static_file(request: Request, name: str) -> Response:
    found = rendering.asset_response(request, name)
    return found if found is not None else error_page(request, "not_found", status=404)


@fallback.get("/portal/{path:path}")
def not_found(request: Request) -> Response:
    return error_page(request, "not_found", status=404)

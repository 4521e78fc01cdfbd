"""`/fas/{slug}`: the one address that a router's customers and its authmon both use (protocols/opennds.md §1, §4, §8).

An idle poll costs no PostgreSQL: the routers' identities are kept in the process, and Redis says whether anything waits. Nearly all of
them are answered before they come here (portal/idle_polls.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from app import origin, redis
from app.access import PublicGate
from app.clock import utc_now
from app.db import after_commit, in_transaction
from app.errors import TooMany
from app.limits import allow
from app.problems import BareRoute
from portal.hotspot import captive_client, online_already, unreadable_entry
from portal.idle_polls import told_already
from portal.known_routers import known_routers
from portal.limits import ROUTER_LOOKS, ROUTER_WORK
from portal.poll_question import Told, ask_about_poll
from services.access import agent, busy, grants, reports
from services.access.gateways import RouterIdentity
from services.integrations import opennds

log = structlog.get_logger(__name__)
ACCESS = PublicGate(reason="routers prove nothing (opennds.md §8), so every call is harmless when forged")
_MOST_LOOKS = 50_000
_MAX_FORM_BYTES = 64 * 1024
_NOTHING = b"*"
_ACK = b"ack"


# Over its allowance a router's poll is answered with what PostgreSQL said this short a time ago: whoever floods a router's address
# with forged polls must neither load PostgreSQL nor keep the real router from its grants.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class _Look:
    answer: bytes
    until: float


_looks: dict[str, _Look] = {}


async def fas(request: Request) -> Response:
    """Dispatch on content: `auth_get` is a router's call, `fas` a captive customer, `status=authenticated` one who is online."""
    slug, _, glued = request.path_params["slug"].partition("&")
    form = await _form(request)
    if "auth_get" in form:
        return await _router_call(request, slug, form)
    identity = await known_routers.find(slug)
    if form.get("status") == "authenticated" or "status=authenticated" in glued:
        return await online_already(request)
    if identity is None or "fas" not in form:
        return unreadable_entry(request)
    return await captive_client(request, identity, form)


async def _form(request: Request) -> dict[str, str]:
    query = request.scope["query_string"].decode("latin-1")
    if request.method == "POST":
        body = await request.body()
        if len(body) <= _MAX_FORM_BYTES:
            query = f"{query}&{body.decode('latin-1')}" if query else body.decode("latin-1")
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=40))
    except ValueError:
        return {}


async def _router_call(request: Request, slug: str, form: dict[str, str]) -> Response:
    try:
        call = opennds.parse_router_call(form)
    except opennds.BadRouterCall:
        return _text(_ACK)
    told = await _told(request, slug, call)
    if told is not None:
        await known_routers.heed(told.edition)
    identity = known_routers.get(slug) if told is not None else await known_routers.find(slug)
    if identity is None or call.gateway_hash != identity.gateway_hash:
        log.info("router.refused", slug=slug[:64], call=call.kind)
        return _text(_NOTHING if call.kind in ("view", "list") else _ACK)
    if call.kind in ("view", "list"):
        return _text(_NOTHING if told is not None and not told.may_have_work else await _freshly_or_shared(identity))
    try:
        return _text(await _take_up(identity, call))
    except TooMany as refusal:
        return Response(_ACK, 429, {"Retry-After": str(refusal.retry_after), "Cache-Control": "no-store"}, "text/plain")


async def _told(request: Request, slug: str, call: opennds.RouterCall) -> Told | None:
    """What Redis says of a poll; None for other calls, for a router that is not known (yet), and without Redis."""
    if call.kind not in ("view", "list"):
        return None
    told = told_already(request.scope)
    if told is not None:
        return told
    known = known_routers.get(slug) or await known_routers.find(slug)
    if known is None or known.gateway_hash != call.gateway_hash:
        return None
    try:
        return await ask_about_poll((slug, request.headers.get("user-agent", "")))
    except redis.Away:
        log.warning("router.poll_without_redis")
        return None


async def _take_up(identity: RouterIdentity, call: opennds.RouterCall) -> bytes:
    """What a router tells us, and what it is answered. Raises TooMany."""
    if call.kind == "ack" and not call.acked:
        return _ACK
    # By address as well: a stranger elsewhere does not use up what the router has. What a router says and we refuse heals by itself.
    await allow(ROUTER_WORK, identity.slug, origin.current())
    match call.kind:
        case "ack":
            await in_transaction(grants.acknowledge, gateway_id=identity.id, acked=call.acked, now=utc_now())
        case "clear":
            await in_transaction(reports.router_restarted, gateway_id=identity.id, slug=identity.slug, now=utc_now())
        case "deauthed":
            if call.report is not None:
                await in_transaction(reports.deauthenticated, gateway_id=identity.id, report=call.report, now=utc_now())
        case "custom" if call.text.startswith(agent.PREFIX):
            return await in_transaction(agent.take_report, gateway_id=identity.id, text=call.text, now=utc_now())
        case _:
            pass
    return _ACK


async def _freshly_or_shared(identity: RouterIdentity) -> bytes:
    shared = _looks.get(identity.slug)
    try:
        await allow(ROUTER_LOOKS, identity.slug)
    except TooMany:
        if shared is not None and shared.until > time.monotonic():
            return shared.answer
    answer = await in_transaction(_look, identity)
    if len(_looks) >= _MOST_LOOKS:
        _looks.clear()
    _looks[identity.slug] = _Look(answer, time.monotonic() + _LOOK_SECONDS)
    return answer


def _look(session: Session, identity: RouterIdentity) -> bytes:
    seen_version = busy.version(identity.slug)
    entries = grants.entries_on_offer(session, gateway_id=identity.id, now=utc_now())
    if not entries and seen_version is not None:
        after_commit(session, lambda: busy.mark_idle(identity.slug, seen_version))
    return opennds.render_view(entries)


def _text(body: bytes) -> Response:
    return Response(body, media_type="text/plain", headers={"Cache-Control": "no-store"})


route = BareRoute("/fas/{slug}", fas, methods=["GET", "POST"], name="fas")

"""`/fas/{slug}`: the one address that a router's customers and its authmon both use (protocols/opennds.md §1, §4, §8).

An idle poll costs no PostgreSQL: the router's identity is kept in the process, and Redis says whether anything waits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import origin, redis
from app.access import PublicGate
from app.clock import utc_now
from app.db import after_commit, in_transaction
from app.errors import TooMany
from app.hot import Batcher
from app.limits import allow
from portal.hotspot import captive_client, online_already, unreadable_entry
from portal.limits import ROUTER_LOOKS, ROUTER_WORK
from services.access import busy, gateways, grants, reports
from services.access.gateways import RouterIdentity
from services.integrations import opennds

log = structlog.get_logger(__name__)
ACCESS = PublicGate(reason="routers prove nothing (opennds.md §8), so every call is harmless when forged")
_IDENTITY_SECONDS = 15.0
# A router may poll before it is registered: its customers should not wait long for what was just added.
_UNKNOWN_SECONDS = 2.0
# A router that polls before it is registered must not be unknown for long afterwards.
_UNKNOWN_SECONDS = 2.0
_MAX_IDENTITIES = 50_000
_MAX_FORM_BYTES = 64 * 1024
_NOTHING = b"*"
_ACK = b"ack"


# Over its allowance a router's poll is answered with what PostgreSQL said this short a time ago: whoever floods a router's address
# with forged polls must neither load PostgreSQL nor keep the real router from its grants.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class _Kept:
    identity: RouterIdentity | None
    until: float


@dataclass(frozen=True)
class _Look:
    answer: bytes
    until: float


_identities: dict[str, _Kept] = {}
_looks: dict[str, _Look] = {}


async def fas(request: Request) -> Response:
    """Dispatch on content: `auth_get` is a router's call, `fas` a captive customer, `status=authenticated` one who is online."""
    slug, _, glued = request.path_params["slug"].partition("&")
    form = await _form(request)
    if "auth_get" in form:
        return await _router_call(slug, form, request.headers.get("user-agent", ""))
    identity = await _identity(slug)
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


async def _identity(slug: str) -> RouterIdentity | None:
    kept = _identities.get(slug)
    if kept is not None and kept.until > time.monotonic():
        return kept.identity
    identity = await in_transaction(gateways.router_identity, slug)
    if len(_identities) >= _MAX_IDENTITIES:
        _identities.clear()
    _identities[slug] = _Kept(identity, time.monotonic() + (_UNKNOWN_SECONDS if identity is None else _IDENTITY_SECONDS))
    return identity


async def _router_call(slug: str, form: dict[str, str], user_agent: str) -> Response:
    try:
        call = opennds.parse_router_call(form)
    except opennds.BadRouterCall:
        return _text(_ACK)
    identity = await _identity(slug)
    if identity is None or call.gateway_hash != identity.gateway_hash:
        log.info("router.refused", slug=slug[:64], call=call.kind)
        return _text(_NOTHING if call.kind in ("view", "list") else _ACK)
    try:
        return _text(await _answer(identity, call, user_agent))
    except TooMany as refusal:
        return Response(_ACK, 429, {"Retry-After": str(refusal.retry_after), "Cache-Control": "no-store"}, "text/plain")


async def _answer(identity: RouterIdentity, call: opennds.RouterCall, user_agent: str) -> bytes:
    if call.kind in ("view", "list"):
        return await _view(identity, user_agent)
    # By address as well: a stranger elsewhere does not use up what the router has. What a router says and we refuse heals by itself.
    await allow(ROUTER_WORK, identity.slug, origin.current())
    match call.kind:
        case "ack":
            if call.acked:
                await in_transaction(grants.acknowledge, gateway_id=identity.id, faskey=identity.faskey, acked=call.acked, now=utc_now())
        case "clear":
            await in_transaction(reports.router_restarted, gateway_id=identity.id, slug=identity.slug, now=utc_now())
        case "deauthed":
            if call.report is not None:
                await in_transaction(reports.deauthenticated, gateway_id=identity.id, report=call.report, now=utc_now())
        case _:
            pass
    return _ACK


async def _view(identity: RouterIdentity, user_agent: str) -> bytes:
    try:
        if not await _may_have_work((identity.slug, _seen(user_agent))):
            return _NOTHING
    except redis.Away:
        log.warning("router.poll_without_redis")
    return await _freshly_or_shared(identity)


async def _freshly_or_shared(identity: RouterIdentity) -> bytes:
    shared = _looks.get(identity.slug)
    try:
        await allow(ROUTER_LOOKS, identity.slug)
    except TooMany:
        if shared is not None and shared.until > time.monotonic():
            return shared.answer
    answer = await in_transaction(_look, identity)
    if len(_looks) >= _MAX_IDENTITIES:
        _looks.clear()
    _looks[identity.slug] = _Look(answer, time.monotonic() + _LOOK_SECONDS)
    return answer


def _look(session: Session, identity: RouterIdentity) -> bytes:
    seen_version = busy.version(identity.slug)
    entries = grants.entries_on_offer(session, gateway_id=identity.id, faskey=identity.faskey, now=utc_now())
    if not entries and seen_version is not None:
        after_commit(session, lambda: busy.mark_idle(identity.slug, seen_version))
    return opennds.render_view(entries)


def _seen(user_agent: str) -> bytes:
    return f"{int(time.time())}|{user_agent[:60]}".encode("ascii", "replace")


async def _ask_redis(batch: list[tuple[str, bytes]]) -> list[bool]:
    pipeline = redis.async_client().pipeline(transaction=False)
    pipeline.exists(busy.VALID)
    pipeline.smismember(busy.BUSY, [slug for slug, _ in batch])
    pipeline.hset(busy.SEEN, mapping=dict(batch))
    is_complete, members, _ = await pipeline.execute()
    return [not is_complete or bool(member) for member in members]


_may_have_work: Batcher[tuple[str, bytes], bool] = Batcher(_ask_redis)


def _text(body: bytes) -> Response:
    return Response(body, media_type="text/plain", headers={"Cache-Control": "no-store"})


route = Route("/fas/{slug}", fas, methods=["GET", "POST"], name="fas")

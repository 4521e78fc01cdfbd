"""A customer sent by a router: who they are is read from the redirect, and they get the portal's first page (opennds.md §3)."""

from __future__ import annotations

import anyio.to_thread
import structlog
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from app import redis
from app.clock import utc_now
from app.db import in_transaction, transaction
from app.errors import DomainError, TooMany
from app.limits import allow
from portal.limits import ENTRIES, ENTRIES_OF_CLIENT
from portal.pages import start_page
from portal.rendering import texts
from portal.visits import Visit, error_page, refused_page
from services.access import busy, entry, gateway_keys, gateways
from services.access.context import HotspotContext
from services.access.gateways import RouterIdentity
from services.integrations import opennds
from services.integrations.opennds import Redirect

log = structlog.get_logger(__name__)
# Routers of which this process has told that they send customers.
_introduced: set[str] = set()


async def captive_client(request: Request, identity: RouterIdentity, query: dict[str, str]) -> Response:
    """The redirect of a client that is not online. What does not prove to come from this router is a 403, never an error of ours."""
    try:
        redirect, key = opennds.decode_with_keys(query, level=identity.level, keys=identity.keys, gateway_name=identity.gateway_name)
    except opennds.ForgedRedirect as forged:
        log.info("redirect.refused", gateway_id=identity.id, reason=str(forged))
        return unreadable_entry(request)
    try:
        # One client's own doing is its own loss; the hotspot's shared limit is far above what all its phones need.
        await allow(ENTRIES_OF_CLIENT, identity.slug, redirect.hid)
        await allow(ENTRIES, identity.slug)
    except TooMany as refusal:
        return refused_page(request, refusal)
    if redirect.trusted_mac and (key != identity.keys[0] or redirect.gateway_mac not in (None, identity.mac)):
        await in_transaction(_learn_of_router, identity, redirect, key)
    await _note_first(identity.slug)
    context = HotspotContext(identity.id, redirect.hid, redirect.client_mac, redirect.trusted_mac, utc_now())
    return await anyio.to_thread.run_sync(_first_page, request, context)


async def _note_first(slug: str) -> None:
    if slug in _introduced:
        return
    try:
        await redis.async_client().hsetnx(busy.REDIRECTED, slug, int(utc_now().timestamp()))
    except redis.Away:
        return
    _introduced.add(slug)


def _learn_of_router(session: Session, identity: RouterIdentity, redirect: Redirect, key: str) -> None:
    """Only the router can have encrypted the redirect: it shows which key it has, and its own MAC."""
    if key != identity.keys[0]:
        gateway_keys.key_used(session, gateway_id=identity.id, key=key, is_fresh=False, now=utc_now())
    if redirect.gateway_mac not in (None, identity.mac):
        gateways.learn_mac(session, gateway_id=identity.id, mac=str(redirect.gateway_mac))


def _first_page(request: Request, context: HotspotContext) -> Response:
    _welcome_back(context)
    return start_page(request, context, context.at)


def _welcome_back(context: HotspotContext) -> None:
    # Time left is let in without a click; a refusal (all places held) is the page's to explain.
    try:
        with transaction() as session:
            entry.welcome_back(session, context, None, now=context.at)
    except DomainError as refusal:
        log.info("returning.refused", gateway_id=context.gateway_id, code=refusal.code)


def unreadable_entry(request: Request) -> Response:
    """An entry that is old, altered or of another router: the way on is to join the Wi-Fi anew."""
    return error_page(request, "unreadable_entry", status=403)


async def online_already(request: Request) -> Response:
    """`status=authenticated`: the router says that this client is online; it names nobody, so nothing is recorded."""
    said = texts()["access"]
    return Visit(request, None, utc_now()).page("error", heading=said["online"], text=said["online_text"])

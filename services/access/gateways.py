"""Registered openNDS routers: who they are, their keys, and how they are found by slug (protocols/opennds.md §8)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.events import publish
from app.keys import seal, unseal
from services.access import busy
from services.access.errors import BadGateway, GatewayExists, GatewayNotFound
from services.access.models import Gateway
from services.integrations import opennds
from services.network.linking import link_by_mac
from services.network.models import Site

FASKEY = "gateway-faskey"
"""What a router's pre-shared key is sealed for."""
MIN_POLL_SECONDS, MAX_POLL_SECONDS, DEFAULT_POLL_SECONDS = 1, 59, 10
_SILENT_POLLS = 3
_SILENT_AT_LEAST = timedelta(seconds=60)
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{2,63}")
_GATEWAY_NAME = re.compile(r"[A-Za-z0-9._~-]{4,80}")
_KEY = re.compile(r"[A-Za-z0-9]{12,64}")


def add_gateway(
    session: Session,
    *,
    slug: str,
    gateway_name: str,
    faskey: str,
    level: int,
    site_name: str | None,
    now: datetime,
    name: str | None = None,
    poll_seconds: int = DEFAULT_POLL_SECONDS,
) -> Gateway:
    """Register a router. Raises BadGateway naming the field, or GatewayExists.

    The gateway name must be of unreserved characters, so that its hash does not hang on a MAC that can change (opennds.md §2).
    """
    if not _SLUG.fullmatch(slug):
        raise BadGateway("The slug is 3 to 64 of a-z, 0-9 and dashes.", field="slug")
    if not _GATEWAY_NAME.fullmatch(gateway_name):
        raise BadGateway("The gateway name is 4 to 80 of letters, digits and . _ ~ -", field="name")
    if not _KEY.fullmatch(faskey):
        raise BadGateway("The faskey is 12 to 64 letters and digits; make a random one for each router.", field="faskey")
    if level not in (3, 4):
        raise BadGateway("The level is 3 or 4; lower levels send everything in clear.", field="level")
    if not MIN_POLL_SECONDS <= poll_seconds <= MAX_POLL_SECONDS:
        raise BadGateway("The poll interval is 1 to 59 seconds; outside that openNDS takes its own.", field="poll_seconds")
    gateway = Gateway(
        slug=slug,
        gateway_name=gateway_name,
        gateway_hash=opennds.gateway_hash(gateway_name),
        faskey_sealed=seal(FASKEY, faskey.encode()),
        level=level,
        site_id=site_named(session, site_name),
        name=name or site_name or slug,
        created_at=now,
        poll_seconds=poll_seconds,
    )
    try:
        with session.begin_nested():
            session.add(gateway)
    except IntegrityError:
        raise GatewayExists from None
    busy.gateways_changed(session)
    return gateway


def site_named(session: Session, name: str | None) -> int | None:
    """The place of this name, made when there is none yet; None without a name."""
    if not name:
        return None
    # Two routers registered at once at one new place must meet in one row.
    session.execute(insert(Site).values(name=name).on_conflict_do_nothing())
    return session.exec(select(Site.id).where(Site.name == name)).one()


def new_identity() -> tuple[str, str, str]:
    """Random slug, gateway name and faskey for a router to be set up."""
    return secrets.token_hex(8), f"inet-{secrets.token_hex(16)}", new_faskey()


def _by_slug(session: Session, slug: str) -> Gateway | None:
    # What cannot be a slug is not asked for: it comes from anybody's address bar, and PostgreSQL takes no NUL.
    if not _SLUG.fullmatch(slug):
        return None
    return session.exec(select(Gateway).where(Gateway.slug == slug)).one_or_none()


def gateway_by_slug(session: Session, slug: str) -> Gateway:
    """Raises GatewayNotFound."""
    gateway = _by_slug(session, slug)
    if gateway is None:
        raise GatewayNotFound(field="gateway")
    return gateway


def new_faskey() -> str:
    """64 random hexadecimal digits."""
    return secrets.token_hex(32)


def faskey_of(gateway: Gateway) -> str:
    """The router's pre-shared key in clear: for computing and for the set-up snippet, never for a log or a browser of a customer."""
    return unseal(FASKEY, gateway.faskey_sealed).decode()


def keys_of(gateway: Gateway) -> tuple[str, ...]:
    """Every key that the router may have at this moment: one, or two while it is being changed (services/access/gateway_keys.py)."""
    other = gateway.faskey_next_sealed
    return (faskey_of(gateway),) if other is None else (faskey_of(gateway), unseal(FASKEY, other).decode())


def silent_after(poll_seconds: int) -> timedelta:
    """How long a router that polls this often may say nothing: three polls, and never less than a minute."""
    return max(_SILENT_AT_LEAST, timedelta(seconds=_SILENT_POLLS * poll_seconds))


@dataclass(frozen=True, slots=True)
class RouterIdentity:
    """What the poll route needs of a gateway, so small that those of all are kept in the process. `mac` is the router's, if it is known."""

    id: int
    slug: str
    gateway_name: str
    gateway_hash: str
    level: int
    sealed_keys: tuple[str, ...]
    mac: str | None = None

    def __repr__(self) -> str:
        return f"RouterIdentity(id={self.id}, slug={self.slug!r})"

    @property
    def keys(self) -> tuple[str, ...]:
        """In clear, as `keys_of`; opened at each use, so that ten thousand routers' keys do not lie about in memory."""
        return tuple(unseal(FASKEY, sealed).decode() for sealed in self.sealed_keys)


_IDENTITY = (col(Gateway.id), col(Gateway.slug), col(Gateway.gateway_name), col(Gateway.gateway_hash), col(Gateway.level))
_KEYS = (col(Gateway.faskey_sealed), col(Gateway.faskey_next_sealed))


def router_identities(session: Session) -> dict[str, RouterIdentity]:
    """All gateways by slug, in one statement. Whoever changes what it reads calls `busy.gateways_changed`."""
    rows = session.execute(sa.select(*_IDENTITY, *_KEYS, col(Gateway.mac)))
    return {
        slug: RouterIdentity(gateway_id, slug, name, hashed, level, (key,) if other is None else (key, other), mac)
        for gateway_id, slug, name, hashed, level, key, other, mac in rows
    }


def learn_mac(session: Session, *, gateway_id: int, mac: str) -> None:
    """Keep the router's own MAC, as told in a redirect that only it can have encrypted (level 3)."""
    gateway = session.get_one(Gateway, gateway_id, with_for_update=True)
    if gateway.mac != mac:
        gateway.mac = mac
        session.flush()
        link_by_mac(session, gateway_id=gateway_id, mac=mac)
        busy.gateways_changed(session)
        publish(session, "gateways", gateway.id)

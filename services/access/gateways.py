"""Registered openNDS routers: keys, look-up by slug, and what to paste into the router (protocols/opennds.md §8, §9)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.keys import seal, unseal
from services.access.errors import BadGateway, GatewayExists, GatewayNotFound
from services.access.models import Gateway
from services.integrations import opennds
from services.network.models import Site

_FASKEY = "gateway-faskey"
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
    gateway = Gateway(
        slug=slug,
        gateway_name=gateway_name,
        gateway_hash=opennds.gateway_hash(gateway_name),
        faskey_sealed=seal(_FASKEY, faskey.encode()),
        level=level,
        site_id=site_named(session, site_name),
        name=name or site_name or slug,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(gateway)
    except IntegrityError:
        raise GatewayExists from None
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
    return secrets.token_hex(8), f"inet-{secrets.token_hex(16)}", secrets.token_hex(32)


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


def faskey_of(gateway: Gateway) -> str:
    """The router's pre-shared key in clear: for computing and for the set-up snippet, never for a log or a browser of a customer."""
    return unseal(_FASKEY, gateway.faskey_sealed).decode()


@dataclass(frozen=True)
class RouterIdentity:
    """What the poll route needs of a gateway, so small that it is kept in the process."""

    id: int
    slug: str
    gateway_name: str
    gateway_hash: str
    level: int
    faskey: str

    def __repr__(self) -> str:
        return f"RouterIdentity(id={self.id}, slug={self.slug!r})"


def router_identity(session: Session, slug: str) -> RouterIdentity | None:
    gateway = _by_slug(session, slug)
    if gateway is None:
        return None
    assert gateway.id is not None
    return RouterIdentity(gateway.id, gateway.slug, gateway.gateway_name, gateway.gateway_hash, gateway.level, faskey_of(gateway))


def router_snippet(gateway: Gateway, *, public_url: str) -> str:
    """The openNDS configuration to paste on an OpenWrt router (10.x syntax, opennds.md §9)."""
    url = urlsplit(public_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    lines = [
        ("enabled", "1"),
        ("fas_secure_enabled", str(gateway.level)),
        ("gatewayname", gateway.gateway_name),
        ("enable_serial_number_suffix", "0"),
        ("fasport", str(port)),
        ("faspath", f"/fas/{gateway.slug}"),
        ("fasremotefqdn", url.hostname or ""),
        ("faskey", faskey_of(gateway)),
        ("nat_traversal_poll_interval", "10"),
        ("login_option_enabled", "0"),
        ("allow_preemptive_authentication", "1"),
    ]
    body = "\n".join(f"    option {name} '{value}'" for name, value in lines)
    return (
        f"config opennds\n{body}\n"
        "    # option fasremoteip: the IPv4 address that the name above resolves to\n"
        "    list walledgarden_fqdn_list 'pay.wave.com'\n"
        "    list walledgarden_fqdn_list 'api.wave.com'\n"
        "    list walledgarden_port_list '443'\n"
    )

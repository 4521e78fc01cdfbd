"""API tokens of outside services: shown once, stored as a keyed hash, limited to their scopes, their time and their addresses."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app import origin
from app.errors import InvalidInput
from app.keys import keyed_mac, keyed_macs
from services.accounts.errors import TokenNotFound
from services.accounts.models import ApiToken
from services.accounts.permissions import API_SCOPES, Permission, Principal
from services.audit import service as audit

_PURPOSE = "api-token"
_PREFIX = "inet_"
_NAME = (2, 120)
_MOST_ADDRESSES = 50
_KEPT_TO = timedelta(minutes=1)


def create_api_token(
    session: Session,
    *,
    name: str,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime | None = None,
    allowed_addresses: Iterable[str] = (),
    actor: Principal | None = None,
) -> str:
    """Make a token and answer it in clear, the only time it is seen. `actor` is None only where no person acts: nothing is audited then.

    Raises Forbidden, or InvalidInput for a scope that no token may have or that the maker does not hold, a bad address, name or time.
    """
    if actor is not None:
        actor.require(Permission.TOKENS_EDIT)
    name = " ".join(name.split())
    if not _NAME[0] <= len(name) <= _NAME[1]:
        raise InvalidInput("Give it a name by which everybody knows who uses it.", field="name")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("The end must lie ahead.", field="expires_at")
    token = ApiToken(
        name=name,
        token_mac="",
        scopes=_scopes(scopes, actor),
        created_at=now,
        expires_at=expires_at,
        created_by=_maker(actor),
        allowed_addresses=_networks(allowed_addresses),
    )
    clear = _PREFIX + secrets.token_urlsafe(32)
    token.token_mac = keyed_mac(_PURPOSE, clear)
    session.add(token)
    session.flush()
    if actor is not None:
        shown = {"name": name, "scopes": token.scopes, "expires_at": expires_at, "allowed_addresses": token.allowed_addresses}
        audit.record(session, actor, "token.create", target=("api_token", token.id), now=now, after=shown)
    return clear


def _maker(actor: Principal | None) -> str:
    if actor is None:
        return "cli"
    return actor.label if actor.kind == "cli" else actor.label.partition(":")[2]


def _scopes(scopes: Iterable[str], actor: Principal | None) -> list[str]:
    wanted = sorted(set(scopes))
    if not wanted or any(scope not in API_SCOPES for scope in wanted):
        raise InvalidInput(f"A token may have these scopes: {', '.join(sorted(API_SCOPES))}.", field="scope")
    if actor is not None and not actor.permissions.issuperset(wanted):
        raise InvalidInput("A token may do no more than you may do yourself. Ask Root for the other scopes.", field="scope")
    return wanted


def _networks(addresses: Iterable[str]) -> list[str]:
    """In one spelling. Raises InvalidInput."""
    found = []
    for text in addresses:
        try:
            found.append(str(ipaddress.ip_network(text.strip())))
        except ValueError:
            words = "Enter addresses such as 203.0.113.7 or networks such as 203.0.113.0/24."
            raise InvalidInput(words, field="allowed_addresses") from None
    if len(found) > _MOST_ADDRESSES:
        raise InvalidInput(f"At most {_MOST_ADDRESSES} addresses.", field="allowed_addresses")
    return found


def principal_for_token(session: Session, clear: str, *, now: datetime, address: str | None = None) -> Principal | None:
    """The outside service that holds this token; None for an unknown, expired or revoked one, or from a place it may not be used from.

    `address` is the client's; without it, that of the request under way counts.
    """
    token = session.exec(select(ApiToken).where(col(ApiToken.token_mac).in_(keyed_macs(_PURPOSE, clear)))).one_or_none()
    if token is None or not is_live(token, now=now):
        return None
    place = origin.current() if address is None else address
    if not _is_allowed(token, place):
        return None
    if token.last_used_at is None or now - token.last_used_at >= _KEPT_TO:
        token.last_used_at, token.last_used_address = now, place[:64] or None
    assert token.id is not None
    return Principal(kind="token", id=token.id, name=token.name, permissions=frozenset(Permission(scope) for scope in token.scopes))


def is_live(token: ApiToken, *, now: datetime) -> bool:
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)


def _is_allowed(token: ApiToken, place: str) -> bool:
    if not token.allowed_addresses:
        return True
    try:
        address = ipaddress.ip_address(place)
    except ValueError:
        return False
    # A server that listens on both kinds sees an IPv4 client as ::ffff:203.0.113.7.
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(network) for network in token.allowed_addresses)


def list_tokens(session: Session, *, actor: Principal) -> Sequence[ApiToken]:
    """All of them, newest first: outside services are few. Raises Forbidden."""
    actor.require(Permission.TOKENS_READ)
    return session.exec(select(ApiToken).order_by(col(ApiToken.id).desc()).limit(500)).all()


def revoke_token(session: Session, *, actor: Principal, token_id: int, reason: str, now: datetime) -> None:
    """It opens nothing from the next request on. Raises Forbidden, TokenNotFound, or InvalidInput without a reason."""
    actor.require(Permission.TOKENS_EDIT)
    if len(reason.strip()) < 3:
        raise InvalidInput("Say in a few words why.", field="reason")
    token = session.get(ApiToken, token_id, with_for_update=True)
    if token is None:
        raise TokenNotFound
    if token.revoked_at is not None:
        return
    token.revoked_at = now
    audit.record(session, actor, "token.revoke", target=("api_token", token_id), now=now, after={"reason": reason.strip()[:200]})

"""Refusals in the log, one line each: who was kept from what, and from where (OWASP ASVS 5.0, 16.3.2). Never the credential itself.

Those of HTTP are noted where every answer passes (app/edge.py); those that come over a console page's socket, by the page's shell.
"""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from typing import Any

import structlog

from app import origin
from app.errors import DomainError, ErrorKind

log = structlog.get_logger(__name__)
# Of HTTP's statuses those that mean: you may not, or not so often.
STATUSES = frozenset({401, 403, 429})
_KINDS = frozenset({ErrorKind.UNAUTHENTICATED, ErrorKind.FORBIDDEN, ErrorKind.TOO_MANY})
_CODE, _ACTOR = "refusal_code", "actor"


def name(scope: MutableMapping[str, Any], code: str) -> None:
    """Keep the refusal's code with its request until the answer passes the edge."""
    scope.setdefault("state", {})[_CODE] = code


def attribute(scope: MutableMapping[str, Any], kind: str, number: int) -> None:
    """Keep who is asking with the request: the kind of principal and its number, no name."""
    scope.setdefault("state", {})[_ACTOR] = f"{kind}:{number}"


def note_answer(scope: MutableMapping[str, Any], *, route: str, status: int) -> None:
    """Log the refusal that a request was answered with."""
    state = scope.get("state", {})
    code, actor = state.get(_CODE, "refused"), state.get(_ACTOR)
    log.warning("request.refused", code=code, status=status, route=route, method=scope.get("method"), actor=actor, address=place())


def note(refusal: DomainError, *, route: str, actor: str | None) -> None:
    """Log a refusal of a console page's action, if it is one of those that matter here."""
    if refusal.kind in _KINDS:
        log.warning("action.refused", code=refusal.code, route=route, actor=actor, address=place())


def place() -> str:
    """The network from which the request under way came: enough to see an attack, too little to follow a person."""
    text = origin.current()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))

"""The security headers of every answer, decided in this one place (OWASP ASVS 5.0 V3.4). `app/edge.py` sends them.

A header that an answer brings itself stays as it is. Which set an answer gets is told by its address and by whether a browser shows it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from jinja2 import BaseLoader, Environment

Headers = tuple[tuple[bytes, bytes], ...]

CONSOLE_PATHS = ("/console", "/_nicegui")
_DOCUMENTATION = "/api/docs"


def _policy(*rules: str) -> str:
    return "; ".join(("default-src 'none'", *rules, "base-uri 'none'", "frame-ancestors 'none'"))


# No form posts to Wave (its page is a link), so `form-action` needs no host of theirs.
PORTAL_POLICY = _policy("script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "form-action 'self'")
_DATA_POLICY = _policy("form-action 'none'")
# Swagger's page draws its icons from data addresses, and asks the API itself.
_DOCUMENTATION_POLICY = _policy("script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "form-action 'none'")


def _console_policy(nonce: str, tiles: str) -> str:
    # NiceGUI needs these: Vue compiles templates in the browser (eval), Quasar and Tailwind write styles. Its scripts carry a nonce.
    return _policy(
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        f"img-src 'self' data: blob: {tiles}".rstrip(),
        "font-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "manifest-src 'self'",
    )


_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_EVERYWHERE: Headers = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))
_SHOWN: Headers = (
    *_EVERYWHERE,
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"),
)


def _with_policy(base: Headers, policy: str, referrer: bytes) -> Headers:
    return (*base, (b"content-security-policy", policy.encode()), (b"referrer-policy", referrer))


_DATA = _with_policy(_EVERYWHERE, _DATA_POLICY, b"no-referrer")
_PORTAL = _with_policy(_SHOWN, PORTAL_POLICY, b"no-referrer")
_DOCUMENTED = _with_policy(_SHOWN, _DOCUMENTATION_POLICY, b"no-referrer")

_nonce: ContextVar[str] = ContextVar("csp_nonce", default="")


def begin_page() -> None:
    """Give the console page under way a nonce for its own scripts."""
    _nonce.set(secrets.token_urlsafe(16))


def nonce() -> str:
    return _nonce.get()


def headers_for(path: str, *, is_html: bool, is_production: bool, tiles: str = "") -> Headers:
    """The headers of an answer under `path`. `tiles` is from where the console's map may fetch its pictures."""
    if not is_html:
        found = _DATA
    elif path.startswith(CONSOLE_PATHS):
        # The address of a page may hold an id: no other site learns it.
        found = _with_policy(_SHOWN, _console_policy(_nonce.get(), tiles), b"same-origin")
    else:
        found = _DOCUMENTED if path.startswith(_DOCUMENTATION) else _PORTAL
    return (*found, _TRANSPORT) if is_production else found


class _NonceLoader(BaseLoader):
    """Gives each script that a template itself writes the nonce of the page; what data puts into the page gets none."""

    def __init__(self, inner: BaseLoader) -> None:
        self._inner = inner

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, is_fresh = self._inner.get_source(environment, template)
        return source.replace("<script", '<script nonce="{{ csp_nonce() }}"'), name, is_fresh


def let_templates_carry_nonces(environment: Any) -> None:
    """Prepare a Jinja environment whose pages the console's policy is to accept; doing it twice changes nothing."""
    if not isinstance(environment.loader, _NonceLoader):
        environment.loader = _NonceLoader(environment.loader)
        environment.globals["csp_nonce"] = nonce
        if environment.cache is not None:
            environment.cache.clear()

"""Who may ask: the token, its log-in with the daily throttle, and what is refused (protocols/openwisp.md §2)."""

from __future__ import annotations

import hmac
import math
import secrets
from collections import defaultdict
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, Request, Response

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.openwisp.errors import OpenWispError, unauthorised
from app.sandbox.openwisp.spoiling import spoilt_route
from app.sandbox.openwisp.switches import Switches
from app.sandbox.problems import json_response

LOGINS_PER_DAY = 20
_DAY_SECONDS = 86_400
_NOT_GIVEN, _BLANK = "This field is required.", "This field may not be blank."


class Access:
    """The one account of the imitated OpenWISP, and its token. A token is always the same until it is revoked."""

    def __init__(self, config: SandboxConfig, clock: SandboxClock, switches: Switches) -> None:
        self._config, self._clock, self._switches = config, clock, switches
        self.reset()

    def reset(self) -> None:
        """The token is the configured one again; nobody has tried to log in."""
        self._token: str | None = self._config.openwisp_token
        self._logins: dict[str, list[float]] = defaultdict(list)

    def revoke(self) -> None:
        """The token is void; the next log-in makes another."""
        self._token = None

    def rotate(self) -> str:
        """Revoke the token and make another."""
        self._token = secrets.token_hex(20)
        return self._token

    def restore(self) -> str:
        """Go back to the configured token."""
        self._token = self._config.openwisp_token
        return self._token

    def check(self, request: Request) -> None:
        """Raises OpenWispError: 401 without a good Bearer token, 403 without the rights."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            # `Token abc` is another scheme, and so counts as no credentials at all.
            raise unauthorised("Authentication credentials were not provided.")
        if self._token is None or not hmac.compare_digest(token.strip().encode(), self._token.encode()):
            raise unauthorised("Invalid token.")
        if self._switches.mode.forbidden:
            raise OpenWispError(403, {"detail": "You do not have permission to perform this action."})

    def log_in(self, address: str, username: object, password: object) -> str:
        """The account's token. Raises OpenWispError: 429 from the 21st try of a day, successes included; 400 for wrong credentials."""
        self._throttle(address)
        missing = {name: value for name, value in (("username", username), ("password", password)) if not value}
        if missing:
            raise OpenWispError(400, {name: [_NOT_GIVEN if value is None else _BLANK] for name, value in missing.items()})
        if (username, password) != (self._config.openwisp_user, self._config.openwisp_password):
            raise OpenWispError(400, {"non_field_errors": ["Unable to log in with provided credentials."]})
        return self._token or self.rotate()

    def _throttle(self, address: str) -> None:
        now = self._clock.now()
        tries = self._logins[address] = [at for at in self._logins[address] if at > now - _DAY_SECONDS]
        if len(tries) >= LOGINS_PER_DAY:
            wait = math.ceil(tries[0] + _DAY_SECONDS - now)
            text = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
            raise OpenWispError(429, {"detail": text}, {"Retry-After": str(wait)})
        tries.append(now)


def login_router(access: Access, switches: Switches) -> APIRouter:
    """The address that gives the token."""
    router = APIRouter(prefix="/api/v1/users", route_class=spoilt_route(switches), include_in_schema=False)

    @router.post("/token/")
    async def token(request: Request) -> Response:
        fields = await _fields(request)
        address = request.headers.get("X-Forwarded-For") or (request.client.host if request.client else "")
        return json_response({"token": access.log_in(address, fields.get("username"), fields.get("password"))})

    return router


async def _fields(request: Request) -> dict[str, object]:
    body = await request.body()
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace"), keep_blank_values=True).items()}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise OpenWispError(400, {"detail": f"JSON parse error - {error}"}) from None
    return found if isinstance(found, dict) else {}

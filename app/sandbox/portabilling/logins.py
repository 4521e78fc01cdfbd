"""Log-ins of the API user: sessions, tokens, and the lock after many wrong passwords (protocols/portabilling.md §2, §3)."""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.portabilling.fields import Fields
from app.sandbox.portabilling.models import ApiSession, Fault, porta_time
from app.sandbox.store import Store, Table

USER_ID = 1


@dataclass
class LoginMode:
    """Limits, set over the control address. A session dies after `session_life_seconds` without use."""

    session_life_seconds: float = 3600
    max_failures: int = 5
    lock_seconds: float = 60


class Logins:
    """The methods of the Session service and the check before every other method."""

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock) -> None:
        self._config, self._clock = config, clock
        self._sessions = Table(store, "porta_session", ApiSession, key=lambda row: row.session_id, reference=lambda row: row.access_token)
        self.mode = LoginMode()
        self._failures = 0
        self._locked_until = 0.0

    def login(self, fields: Fields) -> dict[str, Any]:
        """`login` with `password` or `token`. While locked the right password is refused as well."""
        if fields.has("i_env"):
            raise Fault("Server.Session.auth_failed", "Environment setting is forbidden")
        now = self._clock.now()
        if now < self._locked_until:
            raise Fault("Server.Session.cannot_login_brute_force_activity", "Login is locked: too many failed attempts")
        if not self._is_right(fields):
            self._failures += 1
            if self._failures >= self.mode.max_failures:
                self._failures, self._locked_until = 0, now + self.mode.lock_seconds
            raise Fault("Server.Session.auth_failed", "Login or password is incorrect. Note that the password is case sensitive")
        self._failures = 0
        session = self._sessions.save(ApiSession(secrets.token_hex(16), _jwt_shaped(), secrets.token_urlsafe(32), now))
        return self._answer(session)

    def refresh_access_token(self, fields: Fields) -> dict[str, Any]:
        """A new access token for a refresh token."""
        token = fields.text("refresh_token", longest=512)
        old = next((session for session in self._sessions.all() if token and session.refresh_token == token), None)
        if old is None:
            raise Fault("Client.Session.check_auth.failed_to_process_jwt", "The token cannot be used")
        self._sessions.delete(old.session_id)
        renewed = ApiSession(old.session_id, _jwt_shaped(), old.refresh_token, self._clock.now())
        return self._answer(self._sessions.save(renewed))

    def ping(self, fields: Fields) -> dict[str, Any]:
        """`user_id` > 0 while the session lives, else 0."""
        session_id, access_token = fields.text("session_id"), fields.text("access_token", longest=4096)
        return {"user_id": USER_ID if self._alive(session_id, access_token) else 0}

    def logout(self, fields: Fields) -> dict[str, Any]:
        """End a session; an unknown one is as good as ended."""
        session = self._alive(fields.text("session_id"), fields.text("access_token", longest=4096))
        if session:
            self._sessions.delete(session.session_id)
        return {"success": 1}

    def require(self, auth_info: dict[str, Any] | None) -> None:
        """Let only a living session pass. Raises Fault with the code of its class."""
        session_id, access_token = (str((auth_info or {}).get(name) or "") for name in ("session_id", "access_token"))
        if not session_id and not access_token:
            raise Fault("Client.check_auth.envelope_missed", "auth_info is missing")
        session = self._alive(session_id, access_token)
        if session is None and access_token:
            raise Fault("Client.Session.check_auth.failed_to_process_jwt", "Failed to process the access token")
        if session is None:
            raise Fault("Server.Session.check_auth.auth_failed", "Authentification failed")
        session.used_at = self._clock.now()

    def expire_all(self) -> None:
        """Every session dies in the middle of its work."""
        self._sessions.clear()

    def reset(self) -> None:
        """No sessions, no failures, no lock, the usual limits."""
        self._sessions.clear()
        self.mode = LoginMode()
        self._failures, self._locked_until = 0, 0.0

    def _is_right(self, fields: Fields) -> bool:
        right = _same(fields.text("login") or "", self._config.portabilling_user)
        if fields.has("token"):
            known = self._config.portabilling_token
            return right and bool(known) and _same(fields.text("token") or "", known)
        return right and _same(fields.text("password") or "", self._config.portabilling_password)

    def _alive(self, session_id: str | None, access_token: str | None) -> ApiSession | None:
        session = self._sessions.get(session_id) if session_id else None
        if session is None and access_token:
            session = next(iter(self._sessions.grouped(access_token)), None)
        if session and self._clock.now() - session.used_at > self.mode.session_life_seconds:
            self._sessions.delete(session.session_id)
            return None
        return session

    def _answer(self, session: ApiSession) -> dict[str, Any]:
        return {
            "session_id": session.session_id,
            "access_token": session.access_token,
            "refresh_token": session.refresh_token,
            "expires_at": porta_time(session.used_at + self.mode.session_life_seconds),
        }


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _jwt_shaped() -> str:
    # Looks like the RS256 token of the real thing; clients must not look inside, so there is nothing inside.
    header = urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').rstrip(b"=").decode()
    return f"{header}.{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(32)}"

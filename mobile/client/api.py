"""Calls to the server: the token that is shown, swapped when it has run out, and every failure as one of three errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import httpx

from mobile.client.errors import LoggedOut, Offline, Refused
from mobile.client.store import Store
from mobile.client.wire import Tokens

PREFIX = "/api/mobile/v1"
_UNAUTHENTICATED, _SERVER_ERROR = 401, 500
_DEVICE_TOKEN = "X-Device-Token"  # noqa: S105 - the header's name
# A little before its end, so that it does not run out on the way.
_SWAP_BEFORE = timedelta(seconds=20)
Clock = Callable[[], datetime]


class Api:
    """Speaks for one phone. `http` has the server's address as its base."""

    def __init__(self, http: httpx.Client, store: Store, clock: Clock) -> None:
        self._http, self._store, self._clock = http, store, clock

    def log_in(self, path: str, body: dict[str, Any]) -> Tokens:
        """`auth/verify-key` or `auth/enrol`. Raises Offline or Refused."""
        token = self._store.device_token()
        response = self._bare("POST", path, json=body, headers={_DEVICE_TOKEN: token} if token else {})
        if (given := response.headers.get(_DEVICE_TOKEN)) is not None:
            self._store.keep_device_token(given)
        return self._keep(response)

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call that needs no log-in. Raises Offline or Refused."""
        return _json(self._bare("POST", path, json=body))

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """A call of the person who is logged in. Raises Offline, Refused, or LoggedOut when the phone was let go."""
        headers = dict(request.pop("headers", {}))
        response = self._send(method, path, headers=headers | self._bearer(), **request)
        if response.status_code == _UNAUTHENTICATED:
            # The server ended the token before its time: its key was changed, or the phone was let go.
            self._store.forget_access_token()
            response = self._send(method, path, headers=headers | self._bearer(), **request)
        return _checked(response)

    def _bearer(self) -> dict[str, str]:
        token = self._store.access_token(now=self._clock() + _SWAP_BEFORE)
        return {"Authorization": f"Bearer {token or self._refreshed().access_token}"}

    def _refreshed(self) -> Tokens:
        key = self._store.device_key()
        if key is None:
            raise LoggedOut
        try:
            return self._keep(self._bare("POST", "auth/refresh", json={"device_key": key}))
        except Refused as refused:
            if refused.status != _UNAUTHENTICATED:
                raise
            self._store.forget_log_in()
            raise LoggedOut from None

    def _keep(self, response: httpx.Response) -> Tokens:
        tokens = Tokens.model_validate_json(response.content)
        # On the disk before anything is done with it: the key that was used for it may open nothing from now on.
        self._store.keep_log_in(tokens, ends_at=self._clock() + timedelta(seconds=tokens.expires_in))
        return tokens

    def _bare(self, method: str, path: str, **request: Any) -> httpx.Response:
        return _checked(self._send(method, path, **request))

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path if path.startswith("/") else f"{PREFIX}/{path}", **request)
        except httpx.HTTPError as error:
            raise Offline(str(error)) from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code >= _SERVER_ERROR:
        raise Offline(f"the server answered {response.status_code}")
    if response.is_error:
        wait = response.headers.get("retry-after", "")
        raise Refused(response.status_code, _json(response), int(wait) if wait.isdigit() else None)
    return response


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        found = None
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}

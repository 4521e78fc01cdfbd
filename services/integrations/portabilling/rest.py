"""PortaBilling's JSON flavour (portabilling.md §2)."""

import json
from collections.abc import Mapping
from typing import Any

from app.outbound import OutcomeUnknown, Refused
from services.integrations.http import Answer, HttpExchange, refuse_unusable
from services.integrations.portabilling.mapping import Operation
from services.integrations.portabilling.wire import SERVICE, PortaLogin, fault_error


class RestWire:
    """`POST /rest/<Service>/<method>` with `{"params": {...}}`; faults come as HTTP 500 with `faultcode` and `faultstring`."""

    def __init__(self, base_url: str, *, timeout_seconds: float, ca_file: str | None) -> None:
        self._http = HttpExchange(SERVICE, base_url, timeout_seconds=timeout_seconds, ca_file=ca_file)

    def call(self, operation: Operation, params: Mapping[str, Any], login: PortaLogin | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if login:
            headers["Authorization"] = f"Bearer {login.access_token or login.session_id}"
        path = f"/rest/{operation.service}/{operation.method}"
        content = json.dumps({"params": params}).encode()
        answer = self._http.send(operation.method, "POST", path, content=content, headers=headers)
        return _result(operation, answer, params)

    def prepare(self, operation: Operation) -> None:
        """JSON needs no preparation."""

    def close(self) -> None:
        self._http.close()


def _result(operation: Operation, answer: Answer, params: Mapping[str, Any]) -> Any:
    try:
        data = answer.json()
    except ValueError:
        data = None
    # The fault is looked for first: here 500 is how the application itself says no.
    if isinstance(data, dict) and data.get("faultcode"):
        raise fault_error(operation, str(data["faultcode"]), str(data.get("faultstring") or ""), answer.status, params)
    refuse_unusable(SERVICE, operation.method, answer)
    if answer.status >= 400:
        raise Refused(SERVICE, operation.method, f"http_{answer.status}", "", answer.status)
    if not isinstance(data, dict | list):
        raise OutcomeUnknown(SERVICE, operation.method, "unreadable answer")
    return data

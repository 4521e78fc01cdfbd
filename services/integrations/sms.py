"""Africa's Talking SMS (protocols dossier push-and-sms.md §B1).

There is no idempotency key: after OutcomeUnknown the text may be on its way. Nothing here is ever repeated; for one-time codes the
person asks for a new one.
"""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, Unavailable, observe
from services.integrations.errors import harmless
from services.integrations.http import Answer, HttpExchange, refuse_unusable

SERVICE = "sms"

RefusalKind = Literal["number", "opt_out", "configuration"]

_ACCEPTED = frozenset({100, 101, 102})
_REFUSALS: dict[int, tuple[str, RefusalKind]] = {
    401: ("RiskHold", "configuration"),
    402: ("InvalidSenderId", "configuration"),
    403: ("InvalidPhoneNumber", "number"),
    404: ("UnsupportedNumberType", "number"),
    405: ("InsufficientBalance", "configuration"),
    406: ("UserInBlacklist", "opt_out"),
    407: ("CouldNotRoute", "number"),
    409: ("DoNotDisturbRejection", "opt_out"),
}
_LATER = {500: "InternalServerError", 501: "GatewayError", 502: "RejectedByGateway"}


class SmsRefused(Refused):
    """The gateway will not send it. `kind`: wrong `number`, the person's `opt_out`, or our `configuration` or credit (alert)."""

    def __init__(
        self,
        operation: str,
        code: str,
        kind: RefusalKind,
        message: str = "",
        http_status: int | None = None,
    ) -> None:
        super().__init__(SERVICE, operation, code, message, http_status)
        self.args = (operation, code, kind, message, http_status)
        self.kind = kind


@dataclass(frozen=True)
class SmsReceipt:
    """The gateway took the text; that says nothing of delivery. `cost` is its own wording, such as "GMD 0.8000"."""

    message_id: str
    cost: str


class SmsClient:
    """Sends single texts. Synchronous and thread-safe."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        sender_id: str | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """`url` is `https://username:apikey@host/path`. Raises ValueError, without quoting it, when a part is missing."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not (parts.hostname and parts.username and parts.password):
            raise ValueError("the SMS address must look like https://username:apikey@host/path")
        self.breaker = breaker or CircuitBreaker(SERVICE)
        self._username, self._api_key = unquote(parts.username), unquote(parts.password)
        self._path, self._sender_id = parts.path or "/", sender_id
        self._http = HttpExchange(SERVICE, _origin(parts), timeout_seconds=timeout_seconds)

    def send(self, *, to: str, text: str) -> SmsReceipt:
        """Send `text` to one number in E.164. Raises SmsRefused, Unavailable (not sent; later may work) or OutcomeUnknown."""
        form = {"username": self._username, "to": to, "message": text, "bulkSMSMode": "1"}
        if self._sender_id:
            form["from"] = self._sender_id
        headers = {"apiKey": self._api_key, "Content-Type": "application/x-www-form-urlencoded"}
        with observe(SERVICE, "send") as seen, self.breaker.guard("send"):
            answer = self._http.send("send", "POST", self._path, content=urlencode(form).encode(), headers=headers)
            seen.detail = f"HTTP {answer.status}"
            refuse_unusable(SERVICE, "send", answer)
            if answer.status >= 400:
                message = harmless(answer.body.decode(errors="replace"), self._api_key, to, text)
                raise SmsRefused("send", f"http_{answer.status}", "configuration", message, answer.status)
            return self._receipt(answer)

    def close(self) -> None:
        self._http.close()

    def _receipt(self, answer: Answer) -> SmsReceipt:
        overall, recipients = _read(answer)
        if not recipients:
            # The whole order was refused, with a 2xx all the same; the message is a code such as InvalidSenderId.
            code = harmless(overall, self._api_key)[:64] or "refused"
            raise SmsRefused("send", code, "configuration", http_status=answer.status)
        row = recipients[0] if isinstance(recipients[0], dict) else {}
        status = _status_code(row.get("statusCode"))
        if status in _ACCEPTED:
            return SmsReceipt(str(row.get("messageId") or ""), harmless(row.get("cost")))
        if status in _REFUSALS:
            name, kind = _REFUSALS[status]
            raise SmsRefused("send", name, kind)
        if status in _LATER:
            raise Unavailable(SERVICE, "send", _LATER[status])
        raise OutcomeUnknown(SERVICE, "send", "unknown status of the recipient")


def _origin(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def _read(answer: Answer) -> tuple[str, list[Any]]:
    try:
        data = answer.json()
    except ValueError:
        data = None
    body = data.get("SMSMessageData") if isinstance(data, dict) else None
    recipients = body.get("Recipients") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(recipients, list):
        raise OutcomeUnknown(SERVICE, "send", "unreadable answer")
    return str(body.get("Message") or ""), recipients


def _status_code(value: Any) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) <= 4 else -1

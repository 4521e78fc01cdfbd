"""A local operator's HTTP gateway, described by configuration alone (protocols dossier push-and-sms.md §B2).

Such gateways take fields by GET or POST and answer plain text such as `OK <id>` or `ERR <code>`. Like Africa's Talking they have no
idempotency key: whatever is neither a success nor a refusal of theirs is OutcomeUnknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, observe
from services.integrations.errors import harmless
from services.integrations.http import Answer, HttpExchange, refuse_unusable
from services.integrations.sms import SmsReceipt

SERVICE = "sms-second"
_TO, _TEXT = "{to}", "{text}"


class GatewayShape(BaseModel):
    """How the gateway is asked and what its answers look like. Values of `fields` may hold `{to}` and `{text}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="second", min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")
    url: str
    method: Literal["GET", "POST"] = "POST"
    body: Literal["form", "json"] = "form"
    fields: dict[str, str]
    headers: dict[str, str] = {}
    # Found anywhere in the answer: it was taken. Its first group, or that of `id`, is the gateway's name for it.
    success: str = r"^OK\b"
    id: str = r"^OK[ :]+(\S+)"
    # Found anywhere in the answer: it was refused for good.
    refused: str = r"^ERR\b"
    # Some take the number without its plus.
    plus: bool = True
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
            raise ValueError("must be an http:// or https:// address")
        return value

    @field_validator("fields")
    @classmethod
    def _says_both(cls, value: dict[str, str]) -> dict[str, str]:
        joined = " ".join(value.values())
        if _TO not in joined or _TEXT not in joined:
            raise ValueError("must put {to} and {text} somewhere")
        return value

    @field_validator("success", "id", "refused")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error.msg}") from None
        return value


class TemplateGateway:
    """Sends single texts by the shape it was given. Synchronous and thread-safe."""

    def __init__(self, shape: GatewayShape, *, breaker: CircuitBreaker | None = None) -> None:
        self.name, self._shape = shape.name, shape
        self.breaker = breaker or CircuitBreaker(SERVICE)
        parts = urlsplit(shape.url)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._http = HttpExchange(SERVICE, f"{parts.scheme}://{parts.netloc}", timeout_seconds=shape.timeout_seconds)

    @classmethod
    def from_json(cls, text: str) -> TemplateGateway:
        """Raises ValueError, quoting no value: the fields hold the gateway's password."""
        try:
            return cls(GatewayShape.model_validate(json.loads(text)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"INET_SMS_SECOND: {where} {first['msg'].removeprefix('Value error, ')}") from None
        except ValueError:
            raise ValueError("INET_SMS_SECOND must be a JSON object") from None

    def send(self, *, to: str, text: str) -> SmsReceipt:
        """Raises Refused, Unavailable (not sent) or OutcomeUnknown."""
        number = to if self._shape.plus else to.lstrip("+")
        fields = {name: value.replace(_TO, number) if _TO in value else value for name, value in self._shape.fields.items()}
        # The text last, and in no second pass: it may itself say {to}.
        fields = {name: value.replace(_TEXT, text) if _TEXT in self._shape.fields[name] else value for name, value in fields.items()}
        with observe(SERVICE, "send") as seen, self.breaker.guard("send"):
            answer = self._exchange(fields)
            seen.detail = f"HTTP {answer.status}"
            return self._read(answer, to, text)

    def close(self) -> None:
        self._http.close()

    def _exchange(self, fields: Mapping[str, str]) -> Answer:
        shape = self._shape
        if shape.method == "GET":
            joint = "&" if "?" in self._path else "?"
            path = self._path + joint + urlencode(fields, quote_via=quote)
            return self._http.send("send", "GET", path, headers=shape.headers)
        kind, content = (
            ("application/json", json.dumps(fields)) if shape.body == "json" else ("application/x-www-form-urlencoded", urlencode(fields))
        )
        return self._http.send("send", "POST", self._path, content=content.encode(), headers={**shape.headers, "Content-Type": kind})

    def _read(self, answer: Answer, to: str, text: str) -> SmsReceipt:
        words = answer.body.decode(errors="replace").strip()[:2000]
        if answer.status < 300 and re.search(self._shape.success, words, re.MULTILINE):
            found = re.search(self._shape.id, words, re.MULTILINE)
            name = found.group(1) if found and found.groups() else ""
            return SmsReceipt(name[:120], "")
        if re.search(self._shape.refused, words, re.MULTILINE) and answer.status < 500:
            raise Refused(SERVICE, "send", "refused", harmless(words, to, text, *self._shape.fields.values()), answer.status)
        refuse_unusable(SERVICE, "send", answer)
        if answer.status >= 400:
            raise Refused(SERVICE, "send", f"http_{answer.status}", http_status=answer.status)
        raise OutcomeUnknown(SERVICE, "send", "an answer that is neither success nor refusal")

"""One question, one JSON object. The text that is asked about is data: whatever it says, the answer has to fit the schema.

The client proves only that an object came; whether its values are on a list is for the caller to check, because providers differ in how
strictly they hold to a schema.
"""

from __future__ import annotations

import json
from typing import Any, Literal, assert_never

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, observe
from services.integrations.errors import harmless
from services.integrations.http import Answer, HttpExchange, refuse_unusable

SERVICE = "ai"

Provider = Literal["anthropic", "openai"]

DEFAULT_URLS: dict[Provider, str] = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
_ANTHROPIC_VERSION = "2023-06-01"
_MAX_TOKENS = 400
_TOOL = "answer"


class LlmClient:
    """Asks one model of one provider. Synchronous and thread-safe; nothing is repeated."""

    def __init__(
        self,
        provider: Provider,
        *,
        url: str,
        key: str,
        model: str,
        timeout_seconds: float,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.provider, self.model = provider, model
        self.breaker = breaker or CircuitBreaker(SERVICE)
        self._key = key
        self._http = HttpExchange(SERVICE, url or DEFAULT_URLS[provider], timeout_seconds=timeout_seconds)

    def ask(self, *, instructions: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The object that the model answers under `schema` (JSON Schema).

        Raises Refused when the provider will not (key, model, refusal), Unavailable when it did not, OutcomeUnknown for all else,
        an answer that is no such object included.
        """
        path, headers, body = self._request(instructions, text, schema)
        with observe(SERVICE, "ask") as seen, self.breaker.guard("ask"):
            answer = self._http.send("ask", "POST", path, content=json.dumps(body).encode(), headers=headers)
            seen.detail = f"HTTP {answer.status}"
            refuse_unusable(SERVICE, "ask", answer)
            if answer.status >= 400:
                raise Refused(SERVICE, "ask", f"http_{answer.status}", harmless(_message(answer), self._key), answer.status)
            return self._object(answer)

    def close(self) -> None:
        self._http.close()

    def _request(self, instructions: str, text: str, schema: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any]]:
        said = [{"role": "user", "content": text}]
        headers = {"Content-Type": "application/json"}
        match self.provider:
            case "anthropic":
                tool = {"name": _TOOL, "description": "Hand over the answer.", "input_schema": schema}
                return (
                    "/v1/messages",
                    headers | {"x-api-key": self._key, "anthropic-version": _ANTHROPIC_VERSION},
                    {
                        "model": self.model,
                        "max_tokens": _MAX_TOKENS,
                        "temperature": 0,
                        "system": instructions,
                        "messages": said,
                        "tools": [tool],
                        "tool_choice": {"type": "tool", "name": _TOOL},
                    },
                )
            case "openai":
                # Servers on one's own machine often want no key at all.
                allowed = {"Authorization": f"Bearer {self._key}"} if self._key else {}
                form = {"type": "json_schema", "json_schema": {"name": _TOOL, "strict": True, "schema": schema}}
                return (
                    "/chat/completions",
                    headers | allowed,
                    {
                        "model": self.model,
                        "max_tokens": _MAX_TOKENS,
                        "temperature": 0,
                        "messages": [{"role": "system", "content": instructions}, *said],
                        "response_format": form,
                    },
                )
        assert_never(self.provider)

    def _object(self, answer: Answer) -> dict[str, Any]:
        try:
            found = _anthropic_object(answer.json()) if self.provider == "anthropic" else _openai_object(answer.json())
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            found = None
        if not isinstance(found, dict):
            raise OutcomeUnknown(SERVICE, "ask", "unreadable answer")
        return found


def _anthropic_object(data: Any) -> Any:
    return next((block["input"] for block in data["content"] if block.get("type") == "tool_use"), None)


def _openai_object(data: Any) -> Any:
    return json.loads(data["choices"][0]["message"]["content"])


def _message(answer: Answer) -> str:
    try:
        error = answer.json()["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, TypeError, KeyError):
        return ""

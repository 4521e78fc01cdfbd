"""Errors to Sentry, where INET_SENTRY_DSN is set: what the product itself keeps of them, masked, and nothing else.

None of the library's own ways of finding errors is used: they read requests, local variables and log lines. Each event is made here from
the example that app/faults.py made, so what could leak is what could leak into our own tables; `scrub` is the net below that.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import sentry_sdk

from app import faults
from app.release import release
from app.settings import Settings

_PATIENCE_SECONDS = 2
# What an event may hold; a new version of the library may add to it whatever it likes.
_KEPT = frozenset(
    {"event_id", "timestamp", "platform", "level", "logger", "message", "exception", "fingerprint", "tags", "release", "environment"}
    | {"server_name", "transaction", "sdk", "type"}
)
_KEPT_OF_FRAMES = frozenset({"module", "function", "lineno", "in_app", "filename"})


def begin(settings: Settings, *, process: str) -> None:
    """Hand this process's errors to Sentry as well. Nothing waits for it: its library has a queue and a thread of its own."""
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        release=release(),
        environment=settings.env,
        server_name=socket.gethostname(),
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[],
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        send_client_reports=False,
        shutdown_timeout=_PATIENCE_SECONDS,
        before_send=scrub,
    )
    sentry_sdk.set_tag("process", process)
    faults.send_on_with(send, finish=partial(sentry_sdk.flush, _PATIENCE_SECONDS))


def send(fault: faults.Fault) -> None:
    """Queue one event for the example of a fault."""
    sentry_sdk.capture_event(event_of(fault))


def event_of(fault: faults.Fault) -> Any:
    """The fault as Sentry's protocol has it: the exceptions from the first cause on, frames from the outermost in."""
    example = fault.example or {}
    tags = {"process": fault.process, "correlation_id": example.get("correlation_id", ""), "event": example.get("event", "")}
    if example.get("where"):
        tags[example["where"]] = example["name"]
    return {
        "platform": "python",
        "level": "error",
        "timestamp": fault.last_at.timestamp(),
        "fingerprint": [fault.fingerprint],
        "transaction": example.get("name") or fault.place,
        "release": fault.release,
        "tags": {name: value for name, value in tags.items() if value},
        "exception": {"values": [_exception(one) for one in reversed(example.get("trace", []))]},
    }


def _exception(told: dict[str, Any]) -> dict[str, Any]:
    module, _, name = told["kind"].rpartition(".")
    frames = [
        {
            "module": frame["module"],
            "filename": frame["module"].replace(".", "/") + ".py",
            "function": frame["function"],
            "lineno": frame["line"],
            "in_app": frame["ours"],
        }
        for frame in told["frames"]
    ]
    return {"type": name, "module": module or None, "value": told["message"], "stacktrace": {"frames": frames} if frames else None}


def scrub(event: Any, _: Any) -> Any:
    """Only what an event may hold: no request, cookie, header, user, breadcrumb, local variable or source line."""
    kept = {name: value for name, value in event.items() if name in _KEPT}
    for one in (kept.get("exception") or {}).get("values", []):
        stack = one.get("stacktrace") or {}
        for frame in stack.get("frames") or []:
            for name in set(frame) - _KEPT_OF_FRAMES:
                del frame[name]
    return kept

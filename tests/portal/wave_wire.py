"""Wave's webhooks as Wave sends them (protocols/wave.md §5), signed here without the product's help."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from typing import Any

SECRET = "sandbox-wave-webhook-secret"


def event(kind: str = "checkout.session.completed", **data: Any) -> dict[str, Any]:
    return {"id": f"EV_{secrets.token_hex(6)}", "type": kind, "data": data}


def raw(value: Any) -> bytes:
    # Spaces and key order that no re-serialisation would give back: the signature is over these bytes.
    return json.dumps(value, indent=1).encode()


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None, digests: int = 1) -> dict[str, str]:
    moment = str(int(time.time() if at is None else at))
    right = hmac.new(secret.encode(), moment.encode() + body, hashlib.sha256).hexdigest()
    others = [hashlib.sha256(bytes([number])).hexdigest() for number in range(digests - 1)]
    values = ",".join(f"v1={digest}" for digest in [*others, right])
    return {"Wave-Signature": f"t={moment},{values}", "Content-Type": "application/json"}

"""`GET /api/wave/verify`: asked every few seconds by every waiting phone, so answered from Redis while nothing changes.

The kept answer dies with any change of the payment, and by itself after seconds; when Wave should be asked, it is not used.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app import origin, redis
from app.access import PublicGate
from app.clock import utc_now
from app.db import transaction
from app.hot import Batcher
from app.limits import allow
from app.outbound import run_outbound
from app.problems import BareRoute
from portal.limits import STATUS
from services.integrations.clients import outside
from services.payments import answers, verify
from services.payments.errors import PaymentNotFound

ACCESS = PublicGate(reason="who holds the unguessable payment id may know what became of it")
_KEEP_SECONDS = 2
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def wave_verify(request: Request) -> Response:
    """The truth about one payment, and about the access it bought."""
    payment_id = request.query_params.get("payment_id", "")
    if not _ID.fullmatch(payment_id):
        raise PaymentNotFound
    try:
        kept = await _kept(payment_id)
    except redis.Away:
        kept = None
    if kept is not None:
        held = orjson.loads(kept)
        if held["ask_after"] is None or held["ask_after"] > time.time():
            return _answer(held["body"], held["access_ends_at"])
    # What Redis holds is answered however often it is asked for: a refusal would cost as much.
    await allow(STATUS, origin.current())
    return await run_outbound(_tell, payment_id)


def _tell(payment_id: str) -> Response:
    truth = verify.verify(transaction, payment_id, outside(), clock=utc_now)
    runs = truth.access is not None and truth.access.paused_at is None
    ends_at = truth.access.ends_at.timestamp() if runs and truth.access and truth.access.ends_at else None
    body = truth.as_json()
    held = {"body": body, "ask_after": truth.ask_after.timestamp() if truth.ask_after else None, "access_ends_at": ends_at}
    with contextlib.suppress(*redis.Away):
        redis.client().set(answers.key(payment_id), orjson.dumps(held), ex=_KEEP_SECONDS)
    return _answer(body, ends_at)


def _answer(body: dict[str, Any], access_ends_at: float | None) -> Response:
    if access_ends_at is not None and body["access"]["seconds_left"]:
        body["access"]["seconds_left"] = max(0, int(access_ends_at - time.time()))
    return Response(orjson.dumps(body), media_type="application/json", headers={"Cache-Control": "no-store"})


async def _ask_redis(batch: list[str]) -> list[bytes | None]:
    found = await redis.async_client().mget([answers.key(payment_id) for payment_id in batch])
    return cast("list[bytes | None]", found)  # replies are not decoded


_kept: Batcher[str, bytes | None] = Batcher(_ask_redis)

route = BareRoute("/api/wave/verify", wave_verify, methods=["GET"], name="wave_verify")

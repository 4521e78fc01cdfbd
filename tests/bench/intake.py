"""What a report costs the web process before its answer (issue 5): everything clever happens afterwards, in a job elsewhere.

One web process of its own, a few requests at a time, each of another customer in other words, half of them at a hotspot.
"""

from __future__ import annotations

import secrets
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx

from app import limits
from app.clock import utc_now
from app.db import dispose, transaction
from app.supervisor import Stack
from services.access.context import HotspotContext
from services.access.gateways import gateway_by_slug
from tests.bench.shop import Router, use_settings_of
from tests.bench.table import Result
from tests.bench.web import WebProcess, alone_on_one_core, web_process

GOAL_MS = 25.0
_WARM, _TURNS, _EACH, _AT_ONCE = 60, 5, 100, 4
_WORDS = "I paid this morning near gate {gate} and the Wi-Fi shows connected but nothing opens, my receipt code is {code}. Please help me."


def cost_of_intake(stack: Stack, router: Router) -> list[Result]:
    """CPU of the web process for one report, by HTTP, from its request to its answer."""
    use_settings_of(stack)
    with transaction() as session:
        gateway = gateway_by_slug(session, router.slug)
    dispose()
    assert gateway.id is not None
    with (
        web_process(stack, __name__) as web,
        alone_on_one_core(stack, web),
        httpx.Client(base_url=f"http://127.0.0.1:{web.port}", timeout=20) as http,
    ):
        _send(http, gateway.id, _WARM)
        turns = [_cpu_ms(web, http, gateway.id) for _ in range(_TURNS)]
    return [Result("CPU of a report before its answer", statistics.median(turns), "ms", GOAL_MS, "lower")]


def _cpu_ms(web: WebProcess, http: httpx.Client, gateway_id: int) -> float:
    before = web.cpu_seconds
    _send(http, gateway_id, _EACH)
    return 1000 * (web.cpu_seconds - before) / _EACH


def _send(http: httpx.Client, gateway_id: int, count: int) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda number: _report(http, gateway_id, number), range(count)):
            pass


def _report(http: httpx.Client, gateway_id: int, number: int) -> None:
    body = {"body": _WORDS.format(gate=number, code=secrets.token_hex(4)), "phone": f"+22083{3000000 + secrets.randbelow(900000)}"}
    if number % 2:
        mac = "02:00:00:" + ":".join(secrets.token_hex(1) for _ in range(3))
        body["context"] = HotspotContext(gateway_id, secrets.token_hex(32), mac, True, utc_now()).token()
    answer = http.post("/api/portal/tickets", json=body, headers={"Idempotency-Key": secrets.token_hex(12)})
    assert answer.status_code == 201, answer.text


def _serve_for_a_thousand(port: int) -> None:
    """As it is served, but one address may report more than a hundred times an hour; each try is counted as ever."""
    from app.main import serve
    from portal import limits as portal_limits

    portal_limits.REPORTS_OF_ADDRESS = limits.Limit("reports-of-address", "1000000 per hour")
    serve("127.0.0.1", port)


if __name__ == "__main__":
    _serve_for_a_thousand(int(sys.argv[1]))

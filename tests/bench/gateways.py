"""Ten thousand gateways that have nothing to fetch, before one web process on one core (issue 4; protocols/opennds.md §4).

Connections are kept open: routers' own connections and their TLS end in the proxy. The web process has a core for itself; PostgreSQL,
Valkey, the workers and the load share the others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain

import httpx
import sqlalchemy as sa
from sqlmodel import insert

from app.clock import utc_now
from app.db import dispose, transaction
from app.keys import seal
from app.supervisor import Stack
from services.access import busy
from services.access.gateways import new_identity
from services.access.models import Gateway
from services.integrations.opennds import gateway_hash
from tests.bench import fleet
from tests.bench.fleet import Fleet
from tests.bench.load import get, post_form
from tests.bench.shop import use_settings_of
from tests.bench.table import Result
from tests.bench.web import WebProcess, alone_on_one_core, web_process

GATEWAYS = 10_000
INTERVAL_SECONDS = 10.0
SECONDS = 60.0
_COUNTED = "/bench/statements"
_VIEW, _NOTHING_TO_ACKNOWLEDGE = "bm9uZQ==", "Kg=="
_AGENT = {"User-Agent": "openNDS(authmon;NDS:10.3.1;)"}


def idle_gateways(stack: Stack, seconds: float = SECONDS) -> list[Result]:
    """Stock authmons at their interval: two requests each time, half of them as level 3 sends them and half as level 4."""
    polled = tuple(_gateways(_register(stack, GATEWAYS)))
    with web_process(stack, __name__) as web, alone_on_one_core(stack, web) as others:
        # The first round is the proxy's and the process's warm-up: connections are opened, identities learnt.
        fleet.run(Fleet(web.port, polled, INTERVAL_SECONDS, INTERVAL_SECONDS, cores=frozenset(others)))
        asked, used = _statements(web), web.cpu_seconds
        log = fleet.run(Fleet(web.port, polled, INTERVAL_SECONDS, seconds, cores=frozenset(others)))
        used, asked = web.cpu_seconds - used, _statements(web) - asked
    took = sorted(chain(log.views, log.acknowledgements))
    due = 2 * int(GATEWAYS * seconds / INTERVAL_SECONDS)
    name = f"{GATEWAYS} idle gateways"
    return [
        Result(f"{name}: requests answered rightly", (len(took) - log.wrong) / due, "of all", 1.0, "higher"),
        Result(f"{name}: behind schedule at the end", log.late, "s", 1.0, "lower"),
        Result(f"{name}: p50", took[len(took) // 2], "s", None, "lower"),
        Result(f"{name}: p99", took[len(took) * 99 // 100], "s", 1.0, "lower"),
        Result(f"{name}: use of the web process's core", used / (seconds + max(0.0, log.late)), "of 1", 1.0, "lower"),
        Result(f"{name}: PostgreSQL statements", asked, "", 0, "lower"),
    ]


def _register(stack: Stack, count: int) -> list[tuple[str, str]]:
    """Slug and hash of so many new routers, every other one at level 3."""
    use_settings_of(stack)
    rows = []
    for number in range(count):
        slug, name, faskey = new_identity()
        sealed, level = seal("gateway-faskey", faskey.encode()), 3 + number % 2
        hashed = gateway_hash(name)
        named = {"slug": slug, "gateway_name": name, "gateway_hash": hashed, "name": slug, "created_at": utc_now()}
        rows.append({**named, "faskey_sealed": sealed, "level": level})
    with transaction() as session:
        session.execute(insert(Gateway), rows)
        busy.gateways_changed(session)
    dispose()
    return [(str(row["slug"]), str(row["gateway_hash"])) for row in rows]


def _gateways(registered: Iterable[tuple[str, str]]) -> Iterable[fleet.Gateway]:
    for number, (slug, hashed) in enumerate(registered):
        calls = [f"auth_get=view&gatewayhash={hashed}&payload={payload}" for payload in (_VIEW, _NOTHING_TO_ACKNOWLEDGE)]
        if number % 2:
            yield fleet.Gateway(*(get(f"/fas/{slug}?{call}", **_AGENT) for call in calls))
        else:
            # At level 3 authmon escapes the padding.
            yield fleet.Gateway(*(post_form(f"/fas/{slug}", call.replace("==", "%3D%3D"), **_AGENT) for call in calls))


def _statements(web: WebProcess) -> int:
    return int(httpx.get(f"http://127.0.0.1:{web.port}{_COUNTED}").text)


def _serve(port: int) -> None:
    """The product's web process, with a counter of what it asks PostgreSQL."""
    import uvicorn
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from app import main

    statements = 0

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    async def counted(_: Request) -> PlainTextResponse:
        return PlainTextResponse(str(statements))

    app = main.plain_app(main.prepare())
    app.router.routes.insert(0, Route(_COUNTED, counted))
    uvicorn.run(app, host="127.0.0.1", port=port, **main._UVICORN)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))

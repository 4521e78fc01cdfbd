"""What rate limiting costs: the same cheap public routes with their limits and without, in turns, on one machine in one run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from app.supervisor import Stack
from tests.bench.load import Load, get, requests_per_second
from tests.bench.shop import Router, Shop
from tests.bench.table import Result
from tests.conftest import free_port

_ROOT = Path(__file__).parents[2]
_ROUNDS, _SECONDS = 5, 1.2
_PACKAGES = "/api/portal/packages"


@contextmanager
def _web(stack: Stack, *flags: str) -> Iterator[int]:
    """A web process of its own before the stack's database and Redis; answers its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.limits", str(port), *flags]
    process = subprocess.Popen(command, env=stack.environment, cwd=_ROOT)
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _await(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz/live", timeout=1).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError("the web process did not answer")


def cost_of_limits(stack: Stack, shop: Shop, router: Router) -> list[Result]:
    """Requests per second with limits as a share of those without. The goal: at most 15 % are lost."""
    payment = shop.buy()
    shop.pay(payment["reference"])
    shop.wait_for(payment["payment_id"], "access_granted", "served")
    routes = {
        "price list": get(_PACKAGES),
        "payment status": get(f"/api/wave/verify?payment_id={payment['payment_id']}"),
        "idle router poll": get(router.view()),
    }
    with ExitStack() as both:
        ports = {"with": both.enter_context(_web(stack)), "without": both.enter_context(_web(stack, "--without"))}
        best = {(route, kind): 0.0 for route in routes for kind in ports}
        # In turns, so that whatever else the machine does falls on both; the best of each is what the code can do.
        for number in range(_ROUNDS):
            for route, request in routes.items():
                for kind in sorted(ports, reverse=bool(number % 2)):
                    rate = requests_per_second(Load("127.0.0.1", ports[kind], request, _SECONDS))
                    best[route, kind] = max(best[route, kind], rate)
    ratios = {route: best[route, "with"] / best[route, "without"] for route in routes}
    return [Result(f"{route} with limits / without", ratio, "of req/s", 0.85, "higher") for route, ratio in ratios.items()]


def _serve(port: int, *, is_limited: bool) -> None:
    import uvicorn

    from app import main
    from portal import hotspot, limits, payment_status, router_calls

    async def nothing(*_: object) -> None:
        """In place of a limit: only here, the product has no switch for it."""

    faces = main.prepare()
    if is_limited:
        # As generous as can be counted: what is measured is the counting, and this load comes from one address.
        limits.VISITS = limits.Limit("bench-visits", "100000000 per minute")
    else:
        for module in (limits, hotspot, payment_status, router_calls):
            module.allow = nothing  # type: ignore[attr-defined]
    uvicorn.run(main.plain_app(faces), host="127.0.0.1", port=port, **main._UVICORN)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), is_limited="--without" not in sys.argv)

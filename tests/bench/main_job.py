"""The main job's goals: hot questions against an empty route, CPU of a payment, seconds from paid to offered."""

from __future__ import annotations

import hashlib
import re
import secrets
import statistics
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import psutil

from app.clock import utc_now
from app.db import dispose, transaction
from app.supervisor import Stack
from services.access.gateways import add_gateway, new_identity
from tests.bench.load import Hammer, Load, get, post_form
from tests.bench.shop import Router, Shop, use_settings_of
from tests.bench.table import Result

LOAD_SECONDS = 4.0
OUR_PROCESSES = ("web", "worker", "triage", "scheduler")


def make_routers(stack: Stack, count: int) -> list[Router]:
    """Register gateways in the running product's database, as `inet gateway add` does."""
    use_settings_of(stack)
    routers = []
    with transaction() as session:
        for _ in range(count):
            slug, name, faskey = new_identity()
            add_gateway(session, slug=slug, gateway_name=name, faskey=faskey, level=4, site_name="Bench", now=utc_now())
            routers.append(Router(slug, name, faskey))
    dispose()
    return routers


def hot_questions(stack: Stack, shop: Shop, router: Router) -> list[Result]:
    """Idle router polls and payment-status questions beside an empty route of the same server, in the same run."""
    port = urlsplit(stack.url).port or 80
    payment = shop.buy()
    shop.pay(payment["reference"])
    shop.wait_for(payment["payment_id"], "access_granted", "served")
    poll = f"auth_get=view&gatewayhash={router.hash}&payload=bm9uZQ%3D%3D"
    requests = {
        "empty route": get("/healthz/live"),
        "idle router poll, level 3": post_form(f"/fas/{router.slug}", poll),
        "idle router poll, level 4": get(router.view()),
        "payment status": get(f"/api/wave/verify?payment_id={payment['payment_id']}"),
        "price list": get("/api/portal/packages"),
    }
    rates: dict[str, list[float]] = {name: [] for name in requests}
    # In turns, so that whatever else the machine does falls on all of them.
    with Hammer() as hammer:
        for _ in range(3):
            for name, request in requests.items():
                rates[name].append(hammer.requests_per_second(Load(request, port, LOAD_SECONDS / 3)))
    best = {name: max(values) for name, values in rates.items()}
    empty = best.pop("empty route")
    ratios = [Result(f"{name} / empty route", rate / empty, "of req/s", 0.5, "higher") for name, rate in best.items()]
    return [Result("empty route", empty, "req/s", None, "higher"), *ratios]


def _cpu_seconds(stack: Stack) -> float:
    total = 0.0
    for name in OUR_PROCESSES:
        for pid in stack.pids(name):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_of_a_payment(stack: Stack, shop: Shop, payments: int = 60) -> list[Result]:
    """A whole payment over all our processes, less what they use when nobody buys."""
    started, before = time.monotonic(), _cpu_seconds(stack)
    time.sleep(5)
    idle_per_second = (_cpu_seconds(stack) - before) / (time.monotonic() - started)
    started, before = time.monotonic(), _cpu_seconds(stack)
    bought = [shop.buy() for _ in range(payments)]
    for payment in bought:
        shop.pay(payment["reference"])
    for payment in bought:
        shop.wait_for(payment["payment_id"], "access_granted", "served")
    time.sleep(2)
    used = _cpu_seconds(stack) - before - idle_per_second * (time.monotonic() - started)
    return [Result("CPU of a whole payment", 1000 * used / payments, "ms", 100, "lower")]


def paid_to_offered(stack: Stack, shop: Shop, routers: list[Router], per_second: int = 5, seconds: int = 20) -> list[Result]:
    """From Wave's "paid" to the grant standing in the router's poll, with `per_second` payments in every second."""
    with ThreadPoolExecutor(per_second * 4) as pool:
        begun = time.monotonic()
        futures = [
            pool.submit(_one_delay, stack.url, shop, routers[number % len(routers)], begun + number / per_second)
            for number in range(per_second * seconds)
        ]
        delays = [future.result() for future in futures]
    p95 = statistics.quantiles(delays, n=20)[18]
    return [
        Result("paid to offered at the router, p50", statistics.median(delays), "s", None, "lower"),
        Result(f"paid to offered at the router, p95 at {per_second}/s", p95, "s", 1.0, "lower"),
    ]


def _one_delay(url: str, shop: Shop, router: Router, at: float) -> float:
    hid = hashlib.sha256(secrets.token_hex(4).encode()).hexdigest()
    rhid = hashlib.sha256((hid + router.faskey).encode()).hexdigest()
    time.sleep(max(0.0, at - time.monotonic()))
    page = shop.product.get(router.entry(hid)).text
    found = re.search(r"[?&]c=([\w-]+)", page)
    assert found is not None, "the entry page carries no context"
    payment = shop.buy(found.group(1))
    shop.pay(payment["reference"])
    paid = time.monotonic()
    with httpx.Client(base_url=url, timeout=5) as client:
        while time.monotonic() < paid + 15:
            if rhid in client.get(router.view()).text:
                delay = time.monotonic() - paid
                client.get(router.view(b64encode(f"* {rhid}".encode()).decode()))
                return delay
            time.sleep(0.05)
    return 15.0

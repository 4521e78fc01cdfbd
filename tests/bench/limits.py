"""What rate limiting costs: public routes with their limits and without, in short turns on one machine in one run.

Each turn gives one ratio, and the median of all is told: whatever else the machine does falls on both sides of a turn.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace

from app.supervisor import Stack
from tests.bench.load import Hammer, Load, get, post_form, post_json
from tests.bench.shop import Router, Shop
from tests.bench.table import Result
from tests.bench.web import web_process

_TURNS, _SECONDS = 9, 0.2
_GUESSES = "voucher guesses, JSON"
# Well-formed, and nobody has it: looked up, counted as a wrong one, refused.
_WRONG_CODE = "2222-22222-22222"
_LOG_IN = json.dumps({"email": "nobody@bench.example", "password": "not the right one"})


def cost_of_limits(stack: Stack, shop: Shop, router: Router) -> list[Result]:
    """Requests per second with limits as a share of those without. The goal: at most 15 % are lost."""
    payment = shop.buy()
    shop.pay(payment["reference"])
    shop.wait_for(payment["payment_id"], "access_granted", "served")
    # A good code that is used already: all is done that a good one needs, over and over.
    used = shop.voucher_of(payment["payment_id"])
    routes = {
        "price list": Load(get("/api/portal/packages")),
        "payment status": Load(get(f"/api/wave/verify?payment_id={payment['payment_id']}")),
        "idle router poll": Load(get(router.view())),
        "voucher entry, form": Load(post_form("/portal/voucher", f"code={used}"), expect=b"HTTP/1.1 409"),
        "voucher entry, JSON": Load(post_json("/api/portal/voucher", json.dumps({"code": used})), expect=b"HTTP/1.1 409"),
        "log-in, JSON": Load(post_json("/api/auth/login", _LOG_IN), connections=4, expect=b"HTTP/1.1 401"),
        _GUESSES: Load(post_json("/api/portal/voucher", json.dumps({"code": _WRONG_CODE})), expect=b"HTTP/1.1 404"),
    }
    with web_process(stack, __name__) as limited, web_process(stack, __name__, "--without") as free, Hammer() as hammer:
        ratios: dict[str, list[float]] = {name: [] for name in routes}
        for turn in range(_TURNS + 1):
            for name, load in routes.items():
                rates = {}
                # What is kept in Redis for seconds is kept now, so that whoever comes first does not fetch it for the other.
                hammer.requests_per_second(replace(load, port=free.port, seconds=_SECONDS / 4))
                for web in (limited, free) if turn % 2 else (free, limited):
                    rates[web.port] = hammer.requests_per_second(replace(load, port=web.port, seconds=_SECONDS))
                # The first turn only warms up; in one without a single answer the machine was busy with something else.
                if turn and rates[free.port]:
                    ratios[name].append(rates[limited.port] / rates[free.port])
    goals = {_GUESSES: None}  # told only: what counts guesses may cost those who guess
    return [
        Result(f"{name} with limits / without", statistics.median(found), "of req/s", goals.get(name, 0.85), "higher")
        for name, found in ratios.items()
    ]


def _serve(port: int, flags: Sequence[str]) -> None:
    import uvicorn

    from app import main

    faces = main.prepare()
    app = main.plain_app(faces)
    _lift_limits() if "--without" in flags else _widen_limits()
    uvicorn.run(app, host="127.0.0.1", port=port, **main._UVICORN)


def _widen_limits() -> None:
    """Count as the product does, but refuse nobody: all of this load comes from one address."""
    from app import limits

    widest = 1_000_000_000
    limits.Limit.item = property(lambda limit: limits._item(f"{widest} per minute"))  # type: ignore[assignment,method-assign]
    # Portions stay as large as the portal's own limit of visits makes them.
    limits._LARGEST_PORTION = widest // 600


def _lift_limits() -> None:
    """The same process without counting: only here, the product has no switch for it."""
    import app.limits
    from services.accounts import tries

    async def allow(*_: object) -> None:
        return None

    def nothing(*_: object) -> None:
        return None

    replacements = {"allow": allow, "is_spent": lambda *_: False, "are_spent": lambda asked: [False] * len(asked)}
    names = ("allow", "count", "count_once", "is_spent", "are_spent", "note", "note_all", "refuse_spent")
    for module in [app.limits, tries, *(found for name, found in sys.modules.items() if name.startswith("portal."))]:
        for name in names:
            if hasattr(module, name):
                setattr(module, name, replacements.get(name, nothing))


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2:])

"""`python -m tests.screenshots [DIRECTORY]` pictures every page of a running product, and composes `docs/images/overview.png`.

It starts a product of its own with its sandbox, buys a few things that end in different states, and looks at them as customers (phone
and desktop) and as staff, in light and dark. A second product, furnished (tests/browser/furnished.py) and without workers, shows every
page that the console has: one that nothing says where to look at is an error. The files are named `face-page-screen-scheme.png`.
"""

from __future__ import annotations

import base64
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from app.supervisor import Stack
from tests.browser.browsers import ARGUMENTS, DESKTOP, PHONE, Browsers, Screen, find_chromium
from tests.browser.console import Staff
from tests.browser.furnishing import furnish
from tests.browser.portal import Customer
from tests.browser.world import ENVIRONMENT, World, wait_for_hotspots
from tests.conftest import Sandbox, free_port

OVERVIEW = Path(__file__).parents[1] / "docs" / "images" / "overview.png"
SCREENS: tuple[tuple[str, Screen], ...] = (("phone", PHONE), ("desktop", DESKTOP))
SCHEMES = ("light", "dark")
# Read by people who have just cloned the repository.
MOST_BYTES = 300_000
# What stands on a page that shows nothing of what it is for.
_WRONG = re.compile("Something went wrong|Not allowed|There is no such")

_COMPOSED = """<!doctype html><meta charset="utf-8"><style>
body { box-sizing: border-box; width: 1512px; margin: 0; padding: 36px; background: #dfe6e1; }
body { display: flex; gap: 32px; align-items: center; }
img { display: block; border-radius: 12px; box-shadow: 0 8px 28px #0003; }
.console { width: 1060px; } .phone { width: 330px; border-radius: 28px; border: 9px solid #1b2420; }
</style><img class="console" src="%s"><img class="phone" src="%s">"""


@contextmanager
def _product(directory: Path) -> Iterator[World]:
    stack = Stack(directory, free_port(), free_port(), durable=False, env=ENVIRONMENT)
    stack.start()
    try:
        assert stack.sandbox_url is not None
        with httpx.Client(base_url=stack.sandbox_url, timeout=10) as http:
            world = World(stack, Sandbox(stack.sandbox_url, http))
            wait_for_hotspots(world)
            yield world
    finally:
        stack.stop()


class Tour:
    """Buys, and remembers where there is something to see. All addresses are relative to the product's."""

    def __init__(self, world: World, browsers: Browsers) -> None:
        self.world, self._browsers = world, browsers
        self.portal: dict[str, str] = {}
        self.console: dict[str, str] = {}

    def take(self) -> None:
        """Everything that waits for nothing first; what is broken on purpose last, for it is mended when the pictures are taken."""
        served = self._served()
        self._forms()
        self._refused()
        self._voucher()
        self._report(served)
        self._waiting_for_billing()

    def _customer(self, level: int = 3) -> Customer:
        return Customer(self.world, self._browsers.open(), self.world.join(level)).arrives()

    def _keep(self, name: str, customer: Customer) -> None:
        self.portal[name] = customer.page.url.removeprefix(self.world.url)

    def _served(self) -> Customer:
        customer = self._customer().buys("1 day")
        receipt = customer.receipt
        customer.goes_to_wave().pays().sees("You are online")
        self._keep("online", customer)
        self.console["payment"] = f"/payments/{receipt}"
        other = self._customer(level=4).buys("3 hours")
        self.world.sandbox.pay(other.receipt)
        other.sees("You are online").page.get_by_role("link", name="INET").click()
        other.sees("You are online")
        self._keep("start-online", other)
        return customer

    def _forms(self) -> None:
        customer = self._customer()
        context = (customer.page.get_by_role("link", name="Have a voucher?").get_attribute("href") or "").partition("?")[2]
        for name, path in {
            "start": "/portal/",
            "buy": "/portal/buy/day-1",
            "voucher": "/portal/voucher",
            "find": "/portal/find",
            "help": "/portal/help",
            "session": "/portal/session",
            "not-found": "/portal/nothing",
        }.items():
            self.portal[name] = f"{path}?{context}"
        self.portal["start-elsewhere"] = "/"
        self._keep("open", customer.buys())

    def _refused(self) -> None:
        customer = self._customer().buys("1 week")
        self.world.sandbox.pay(customer.receipt, "fail")
        customer.reads("Wave refused it")
        self._keep("refused", customer)

    def _voucher(self) -> None:
        code = self.world.issue_vouchers("good", "blocked", "expired")["good"]
        customer = self._customer(level=4)
        customer.page.get_by_role("link", name="Have a voucher?").click()
        customer.page.get_by_label("Voucher code").fill(code)
        customer.page.get_by_role("button", name="Go online").click()
        customer.sees("You are online")
        ((number,),) = self.world.ask_database("SELECT max(id) FROM voucher WHERE state = 'used'")
        self.console["voucher"] = f"/vouchers/{number}"

    def _report(self, customer: Customer) -> None:
        page = customer.page
        page.get_by_role("link", name="Report a problem").click()
        page.get_by_label("What is wrong?").fill("The Wi-Fi is slow near the gate since this morning.")
        page.get_by_label("Phone number").fill(customer.number)
        page.get_by_role("button", name="Send").click()
        customer.sees("Thank you")
        self._keep("thanks", customer)
        self.console["gateway"] = f"/gateways/{self.world.routers(3)[0]}"

    def _waiting_for_billing(self) -> None:
        customer = self._customer().buys()
        self.world.has_no_stock()
        self.world.sandbox.fault("portabilling", down=True)
        receipt = customer.receipt
        customer.goes_to_wave().pays().reads("The billing system is not answering")
        self._keep("waiting", customer)
        self.console["payment-waiting"] = f"/payments/{receipt}"


def _pictures(browser: Browser, tour: Tour, directory: Path) -> None:
    for screen_name, screen in SCREENS:
        for scheme in SCHEMES:
            context = _context(browser, screen, scheme, is_touch=screen_name == "phone")
            page = context.new_page()
            for name, path in tour.portal.items():
                page.goto(tour.world.url + path)
                page.screenshot(path=directory / f"portal-{name}-{screen_name}-{scheme}.png", full_page=True)
            staff = Staff(tour.world, page).logs_in().is_in()
            _console_pictures(staff, tour.console, directory, f"live-{{}}-{screen_name}-{scheme}")
            context.close()


@contextmanager
def _furnished(directory: Path) -> Iterator[tuple[World, dict[str, str]]]:
    """A product in which every page has something to show and nothing moves, and where each page shows it."""
    stack = Stack(directory, free_port(), free_port(), workers=0, scheduler=False, durable=False, env=ENVIRONMENT)
    stack.start()
    try:
        said = furnish(stack.environment)
        assert stack.sandbox_url is not None
        with httpx.Client(base_url=stack.sandbox_url, timeout=10) as http:
            yield World(stack, Sandbox(stack.sandbox_url, http)), addresses(said["console"])
    finally:
        stack.stop()


def addresses(of_pages: Mapping[str, str | None]) -> dict[str, str]:
    """Where each page is looked at, by the name of its pictures. Raises SystemExit when nothing says it for one of them."""
    unknown = [path for path, address in of_pages.items() if address is None]
    if unknown:
        raise SystemExit(f"Nothing is there to show on these pages (tests/browser/furnished.py): {', '.join(unknown)}")
    return {name_of(path): (address or "").removeprefix("/console") for path, address in of_pages.items() if not is_open(path)}


def name_of(path: str) -> str:
    """`payments` of /console/payments, `payments-one` of /console/payments/{reference}, `dashboard` of /console."""
    parts = ["one" if part.startswith("{") else part for part in path.removeprefix("/console").split("/") if part]
    return "-".join(parts) or "dashboard"


def is_open(path: str) -> bool:
    """Whether it is there for people who are not logged in, and pictured apart."""
    return path in ("/console/login", "/console/reset")


def _every_page(browser: Browser, directory: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="inet-furnished-") as data, _furnished(Path(data)) as (world, pages):
        for screen_name, screen in SCREENS:
            for scheme in SCHEMES:
                context = _context(browser, screen, scheme, is_touch=screen_name == "phone")
                page = context.new_page()
                for name, path in {"login": "/login", "reset": "/reset"}.items():
                    page.goto(f"{world.url}/console{path}")
                    page.wait_for_timeout(700)
                    page.screenshot(path=directory / f"console-{name}-{screen_name}-{scheme}.png", full_page=True)
                staff = Staff(world, page).logs_in().is_in()
                _console_pictures(staff, pages, directory, f"console-{{}}-{screen_name}-{scheme}")
                context.close()


def _context(browser: Browser, screen: Screen, scheme: str, *, is_touch: bool) -> BrowserContext:
    dark = scheme == "dark"
    return browser.new_context(
        viewport={"width": screen["width"], "height": screen["height"]},
        color_scheme="dark" if dark else "light",
        has_touch=is_touch,
        is_mobile=is_touch,
    )


def _console_pictures(staff: Staff, pages: Mapping[str, str], directory: Path, named: str) -> None:
    for name, path in pages.items():
        _settled(staff, path)
        shown = _WRONG.search(staff.main.inner_text())
        # The style guide shows the state of failure as one of its examples.
        assert shown is None or path == "/style-guide", f"/console{path} says: {shown and shown[0]}"
        staff.page.screenshot(path=directory / f"{named.format(name)}.png", full_page=True)


def _settled(staff: Staff, path: str) -> None:
    staff.opens(path)
    # The page is sent whole, then its script draws it: it is done when nothing moves in it any more.
    staff.page.wait_for_function("document.querySelector('main') && document.querySelector('main').innerText.trim().length > 40")
    staff.page.wait_for_timeout(700)


def _overview(browser: Browser, tour: Tour, directory: Path) -> None:
    desk = _context(browser, DESKTOP, "light", is_touch=False).new_page()
    staff = Staff(tour.world, desk).logs_in("billing").is_in()
    _settled(staff, tour.console["payment"])
    console = desk.screenshot()
    phone = _context(browser, PHONE, "light", is_touch=True).new_page()
    phone.goto(tour.world.url + tour.portal["online"])
    portal = phone.screenshot()
    composing = browser.new_page(viewport={"width": 1512, "height": 800})
    composing.set_content(_COMPOSED % (_data_url(console), _data_url(portal)))
    OVERVIEW.parent.mkdir(parents=True, exist_ok=True)
    composing.screenshot(path=OVERVIEW, full_page=True)
    assert OVERVIEW.stat().st_size < MOST_BYTES, f"{OVERVIEW} has {OVERVIEW.stat().st_size} bytes"


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def main(directory: Path) -> None:
    """Take all pictures into `directory`."""
    executable = find_chromium()
    if executable is None:
        raise SystemExit("Pictures need Chromium, and there is none here; get one with: sudo apt-get install chromium")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="inet-pictures-") as data, _product(Path(data)) as world, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        browsers = Browsers(browser, (world.url, world.sandbox.url))
        tour = Tour(world, browsers)
        print("Buying ...", flush=True)
        tour.take()
        print("Taking pictures of what was bought ...", flush=True)
        _pictures(browser, tour, directory)
        _overview(browser, tour, directory)
        browsers.close()
        print("Taking pictures of every page ...", flush=True)
        _every_page(browser, directory)
        browser.close()
    print(f"{len(list(directory.glob('*.png')))} pictures in {directory}, and {OVERVIEW}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("screenshots"))

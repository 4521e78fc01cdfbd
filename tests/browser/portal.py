"""The portal as a customer uses it: by what stands on the page, never by how it is built."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.world import Joined, World, new_number, wait_for

_PATIENCE_MS = 25_000
PAYMENT_PAGE = re.compile(r"/portal/pay/[\w-]+")


class Customer:
    """A person with a phone number, a browser and maybe a phone at a hotspot."""

    def __init__(self, world: World, page: Page, phone: Joined | None = None, number: str | None = None) -> None:
        self.world, self.page, self.phone = world, page, phone
        self.number = number or new_number()

    def arrives(self) -> Self:
        """The router sends the phone's browser to the portal."""
        assert self.phone is not None
        self.page.goto(self.phone.entry)
        return self

    def picks(self, package: str = "1 hour") -> Self:
        self.page.get_by_role("link", name=re.compile(rf"^{package}\b")).click()
        self.sees(f"Buy {package}")
        return self

    def gives_number(self, number: str | None = None) -> Self:
        self.page.get_by_label("Your phone number").fill(number or self.number)
        self.page.get_by_role("button", name="with Wave").click()
        return self

    def buys(self, package: str = "1 hour") -> Self:
        """From the price list to the page with the way to Wave."""
        self.picks(package).gives_number().sees("in Wave")
        return self

    def goes_to_wave(self) -> Self:
        self.page.get_by_role("link", name="Open Wave").click()
        self.sees("Pay with Wave")
        return self

    def pays(self) -> Self:
        """On Wave's page; Wave sends the browser back to the portal."""
        self.page.get_by_role("button", name="Pay", exact=True).click()
        expect(self.page).to_have_url(PAYMENT_PAGE, timeout=_PATIENCE_MS)
        return self

    def sees(self, heading: str) -> Self:
        """Waits for the page with that heading."""
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(heading, timeout=_PATIENCE_MS, use_inner_text=True)
        return self

    def reads(self, text: str) -> Self:
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=_PATIENCE_MS, use_inner_text=True)
        return self

    def is_online(self) -> Self:
        """The page says so with the time left, and the router really lets the phone through."""
        self.sees("You are online").reads("59 minutes")
        assert self.phone is not None
        phone = self.phone
        wait_for(lambda: self.world.is_online(phone), "the phone's way to the internet", seconds=5)
        return self

    def is_captive(self) -> Self:
        assert self.phone is not None
        assert not self.world.is_online(self.phone)
        return self

    @property
    def receipt(self) -> str:
        """The receipt code on the page of a payment."""
        return self.fact("Receipt code")

    def fact(self, name: str) -> str:
        """A value of the page's list of facts."""
        term = self.page.get_by_role("term").filter(has_text=re.compile(rf"^{name}$"))
        return term.locator("xpath=following-sibling::dd[1]").inner_text()

    def form(self, heading: str) -> Locator:
        """The form under that heading, on a page with several."""
        return self.page.locator("form").filter(has=self.page.get_by_role("heading", name=heading))

    def paid_once(self, receipt: str) -> Self:
        """Wave, PortaBilling and we hold the same: one payment, one charge, one account that cannot be used again."""
        wait_for(lambda: self.world.ledgers(receipt).paid_once_and_served_once, "one charge and one blocked account", seconds=5)
        return self

    def reports(self, words: str, *, photo: bytes | None = None, link: str = "Something wrong?") -> str:
        """By the link that stands on the page; ends on the report's own page. Answers the reference."""
        self.page.get_by_role("link", name=link).first.click()
        self.page.get_by_label("What is wrong?").fill(words)
        self.page.get_by_label("Phone number").fill(self.number)
        if photo is not None:
            self.page.get_by_label("Pictures").set_input_files({"name": "screen.png", "mimeType": "image/png", "buffer": photo})
        self.page.get_by_role("button", name="Send", exact=True).click()
        self.page.get_by_role("link", name="See your report").click()
        self.sees("Your request")
        return self.page.get_by_role("heading", level=1).inner_text().split()[-1]

    def looks_again(self) -> Self:
        self.page.reload()
        return self

    def adds(self, words: str, button: str = "Send") -> Self:
        """On the report's own page."""
        self.page.get_by_label("Your answer or anything to add").fill(words)
        self.page.get_by_role("button", name=button, exact=True).click()
        return self.reads("We have your message.")


@dataclass(frozen=True)
class Report:
    """What somebody reported, and the address of their own page of it."""

    reference: str
    number: str
    address: str


def reported(world: World, words: str, number: str | None = None) -> Report:
    """A customer's report over the portal's form, without a browser: for tests in which another part is the point."""
    number = number or new_number()
    answer = httpx.post(f"{world.url}/portal/help", data={"body": words, "phone": number})
    assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
    said = parse_qs(urlsplit(answer.headers["Location"]).query)
    (reference,), (token,) = said["ticket"], said["t"]
    return Report(reference, number, f"{world.url}/ticket/{reference}?t={token}")


def photo() -> bytes:
    """A picture as a phone's camera might take it of a blank page."""
    kept = io.BytesIO()
    Image.new("RGB", (900, 600), (214, 221, 226)).save(kept, "PNG")
    return kept.getvalue()

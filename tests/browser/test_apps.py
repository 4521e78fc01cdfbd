"""A technician's phone and the console: added by the code, heard of while it works, and logged out from a desk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from app.settings import DEMO_PASSWORD
from mobile.client import LoggedOut, Phone
from tests.browser.browsers import Browsers
from tests.browser.console import Staff, at_the_desk
from tests.browser.portal import reported
from tests.browser.world import World

_PATIENCE_MS = 20_000


@contextmanager
def carried(world: World, folder: Path, name: str) -> Iterator[Phone]:
    with httpx.Client(base_url=world.url, timeout=20) as http:
        phone = Phone(folder, http, name=name)
        yield phone
        phone.close()


def adds_a_phone(world: World, browsers: Browsers, phone: Phone) -> Staff:
    """The technician at their own account; the password is asked for when the log-in was long ago."""
    tech = at_the_desk(world, browsers, "tech").opens("/account").presses("Add a phone")
    drawn, password = tech.dialog.get_by_role("img", name="QR code for INET-Tech"), tech.dialog.get_by_label("Your password", exact=True)
    expect(drawn.or_(password)).to_be_visible(timeout=_PATIENCE_MS)
    if password.is_visible():
        password.fill(DEMO_PASSWORD)
        tech.presses("Go on")
    expect(drawn).to_be_visible(timeout=_PATIENCE_MS)
    phone.enrol(tech.dialog.locator(".mono").inner_text())
    return tech


def test_a_phone_is_added_with_the_code_and_logged_out_at_the_desk(world: World, browsers: Browsers, tmp_path: Path) -> None:
    with carried(world, tmp_path, "Itel A60 of the field") as phone:
        tech = adds_a_phone(world, browsers, phone)
        tech.sees("Itel A60 of the field").presses("Done")
        phone.meet()
        assert phone.entities("profile")[0].data["name"] == "Modou Bah"
        tech.presses("Log out Itel A60 of the field")
        tech.dialog.get_by_role("button", name="Log out", exact=True).click()
        tech.reads("Logged out.")
        expect(tech.main).not_to_contain_text("Itel A60 of the field", timeout=_PATIENCE_MS)
        with pytest.raises(LoggedOut):
            phone.sync()


def test_what_was_done_with_no_network_comes_into_the_open_ticket(world: World, browsers: Browsers, tmp_path: Path) -> None:
    reference = reported(world, "The mast hums in the wind").reference
    care = at_the_desk(world, browsers).opens(f"/tickets/{reference}").presses("Assign")
    care.chooses("Assigned to", "Modou Bah").dialog.get_by_role("button", name="Assign").click()
    care.reads("Assigned.")
    with carried(world, tmp_path, "Itel A60 on the roof") as phone:
        adds_a_phone(world, browsers, phone)
        phone.meet()
        (ticket,) = (one for one in phone.entities("ticket") if one.data["reference"] == reference)
        place = f"ticket:{ticket.id}"
        phone.do("ticket.visit", place, {"state": "on_site", "latitude": 13.44, "longitude": -16.67})
        phone.do("ticket.check", place, {"item": ticket.data["work"]["checklist"][0]["item"], "is_done": False, "note": "Dark"})
        phone.do("ticket.note", place, {"text": "One bolt of four is left"})
        expect(care.main).not_to_contain_text("In the field")
        phone.meet()
    care.sees("In the field", "On site", "0 of 1 in order", "Modou Bah: Dark").hears("One bolt of four is left")

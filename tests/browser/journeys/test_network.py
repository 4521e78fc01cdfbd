"""What a System Admin and a Field Technician do most."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.console import at_the_desk
from tests.browser.journeys.walk import Walk, walked
from tests.browser.portal import reported
from tests.browser.world import World, wait_for

_OUTAGE_SECONDS = 60
_DEVICES = "/_control/openwisp/devices"
_PLACES = {"desktop": "Brikama Bus Stop", "phone": "Bakau Fish Market"}


@walked("add-gateway")
def test_a_router_is_registered_and_calls(walk: Walk, world: World) -> None:
    walk.sits_down("admin").step(1).goes_to("Gateways").presses("Register a router")
    place = f"{_PLACES['phone' if walk.is_phone else 'desktop']} {walk.scheme}"
    walk.step(2).fills("Name, such as Serekunda Market north", place)
    slug = walk.main.get_by_label("Address part").input_value()
    walk.presses("Register").sees("/etc/config/opennds", f"/fas/{slug}", "The router has not called yet")
    walk.step(3).picture()
    text = walk.main.inner_text()
    name, faskey = (re.search(rf"{option} '([^']+)'", text)[1] for option in ("gatewayname", "faskey"))  # type: ignore[index]
    router = {"slug": slug, "gateway_name": name, "faskey": faskey, "level": 3, "version": "10.2.0"}
    world.sandbox.http.post("/_control/routers", json=router).raise_for_status()
    walk.step(4).sees("The router has called", "10.2.0").picture()
    walk.presses("To the gateway's page").sees(place, "Polling")
    walk.ends()


@pytest.fixture(scope="module")
def outage(product: World) -> Iterator[str]:
    """An outage at a place that no other walk needs, reported by a customer; over when the last walk is."""
    product.discovers()
    slug = product.routers(4)[-1]
    query = "SELECT s.external_id FROM site s JOIN gateway g ON g.site_id = s.id WHERE g.slug = %s"
    ((location,),) = product.ask_database(query, slug)
    standing = "SELECT i.reference FROM incident i JOIN site s ON s.id = i.site_id WHERE s.external_id = %s AND i.state = 'open'"
    product.sandbox.http.post(_DEVICES, json={"location": location, "status": "critical"}).raise_for_status()
    try:
        ((incident,),) = wait_for(lambda: product.ask_database(standing, location), "the incident", seconds=_OUTAGE_SECONDS)
        yield str(incident)
    finally:
        product.sandbox.http.post(_DEVICES, json={"location": location, "status": "ok"}).raise_for_status()
    wait_for(lambda: not product.ask_database(standing, location), "the outage's end", seconds=_OUTAGE_SECONDS)


@walked("outage")
def test_an_outage_is_looked_into_and_written_down(walk: Walk, outage: str) -> None:
    walk.sits_down("admin").step(1).goes_to("Incidents").sees(outage).picture()
    walk.step(2).opens_row(outage).sees(f"Incident {outage}", "What was down", "Customers told").picture()
    again = walk.page.get_by_role("button", name="Change the note")
    words = "The power of the mast was cut by the storm. NAWEC is on its way."
    if again.count():  # of an earlier walk on another screen
        again.click()
        walk.staff.dialog.get_by_label("Note").fill("")
        walk.staff.dialog.get_by_role("button", name="Keep").click()
        walk.sees("Nobody has written down yet")
    walk.step(3).presses("Write a note").fills("Note", words).presses("Keep").sees(words)
    walk.ends()


def _given(walk: Walk, world: World, words: str) -> str:
    """A report that the technician is to look after: the rules give it to them, or else Customer Care does."""
    report = reported(world, words)
    routed = "SELECT s.email FROM ticket t LEFT JOIN staff s ON s.id = t.assignee_id WHERE t.reference = %s AND t.team_id IS NOT NULL"
    ((email,),) = wait_for(lambda: world.ask_database(routed, report.reference), "the routing")
    if email != "tech@inet.demo":
        care = at_the_desk(world, walk.browsers).opens(f"/tickets/{report.reference}").presses("Assign")
        care.chooses("Assigned to", "Modou Bah").dialog.get_by_role("button", name="Assign").click()
        care.reads("Assigned.")
        # Who leaves is news that draws the ticket's head anew: it happens before the technician comes.
        walk.browsers.shut(care.page)
    return report.reference


@walked("visit")
def test_a_visit_is_worked_off(walk: Walk, world: World) -> None:
    reference = _given(walk, world, "The mast at the well leans over since the storm")
    walk.sits_down("tech").step(1).goes_to("Tickets").sees(reference).picture()
    walk.step(2).opens_row(reference).presses("Work on it").sees_state("Open").picture()
    walk.step(3).turns_to("Internal note").fills("Only staff read it", "The guy wire is cut")
    walk.presses("Keep the note").staff.hears("The guy wire is cut")
    walk.step(4).presses("Resolve").fills("What was done", "New wire, mast straight").picture()
    walk.presses("Resolve it").sees_state("Resolved")
    walk.ends()


@walked("silent-gateway")
def test_a_hotspot_is_looked_into(walk: Walk, world: World) -> None:
    world.discovers()
    slug = world.routers(3)[0]
    walk.sits_down("tech").step(1).goes_to("Gateways").sees(slug).picture()
    walk.step(2)
    walk.staff.follows(walk.staff.row(slug).get_by_role("link").first)
    walk.sees("Polling").picture()
    walk.step(3).goes_to("Access points").sees("Online")
    walk.ends()

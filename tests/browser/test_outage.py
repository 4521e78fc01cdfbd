"""An outage in OpenWISP, as staff see it in the console: by itself, within two health polls."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.browsers import DESKTOP, Browsers
from tests.browser.console import Staff
from tests.browser.world import World, wait_for

# Two polls, and the time in which the schedule looks whether one is due.
# The worker polls every few seconds and shares its two cores with the browser and another test process.
_PATIENCE_MS = 120_000


def discovered(world: World, staff: Staff) -> str:
    """OpenWISP's id of a place of which every access point is well, once the network is known."""
    staff.opens("/access-points").presses("Discover now")
    wait_for(lambda: world.ask_database("SELECT 1 FROM discovery_run WHERE outcome = 'done'"), "a discovery", seconds=40)
    rows = world.ask_database(
        "SELECT s.external_id FROM site s JOIN access_point a ON a.site_id = s.id WHERE s.external_id IS NOT NULL"
        " GROUP BY s.external_id HAVING bool_and(a.health = 'online') AND count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    return str(rows[0][0])


def test_an_outage_and_its_end_are_seen_in_the_open_list_by_themselves(world: World, browsers: Browsers) -> None:
    staff = Staff(world, browsers.open(screen=DESKTOP, is_touch=False, may_keep_cookies=True)).logs_in("admin").is_in()
    location = discovered(world, staff)
    ((place,),) = world.ask_database("SELECT name FROM site WHERE external_id = %s", location)
    staff.opens("/incidents").sees("Incidents")
    world.sandbox.http.post("/_control/openwisp/devices", json={"location": location, "status": "critical"}).raise_for_status()
    try:
        row = staff.main.get_by_role("row").filter(has_text=place).first
        expect(row).to_contain_text("Open", timeout=_PATIENCE_MS)
        staff.follows(row.get_by_role("link", name=re.compile("I-")))
        staff.sees(re.compile("Incident I-"), place, "Seen down", "Incident opened", "still down", "its own")
    finally:
        world.sandbox.http.post("/_control/openwisp/devices", json={"location": location, "status": "ok"}).raise_for_status()
    expect(staff.main).to_contain_text("Over: everything is back", timeout=_PATIENCE_MS)

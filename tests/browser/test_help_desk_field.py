"""A Field Technician with a phone, a known outage, and letters: what comes to the help desk from outside its own pages."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.browsers import PHONE, Browsers
from tests.browser.console import at_the_desk
from tests.browser.portal import Customer, reported
from tests.browser.world import World, new_number, wait_for

_OUTAGE_SECONDS = 60


def test_a_technician_sees_only_what_was_given_and_works_it_off_on_a_phone(world: World, browsers: Browsers) -> None:
    given, foreign = (reported(world, words).reference for words in ("The mast leans over", "How much is a week?"))
    care = at_the_desk(world, browsers).opens(f"/tickets/{given}").presses("Assign")
    care.chooses("Assigned to", "Modou Bah").dialog.get_by_role("button", name="Assign").click()
    care.reads("Assigned.")
    tech = at_the_desk(world, browsers, "tech", screen=PHONE, is_touch=True).opens(f"/tickets/{foreign}")
    tech.sees(re.compile("no such ticket|not found", re.IGNORECASE))
    expect(tech.main).not_to_contain_text("How much is a week?")
    tech.opens("/tickets").sees("The mast leans over")
    expect(tech.main).not_to_contain_text("How much is a week?")
    tech.follows(tech.main.get_by_role("link", name=given))
    tech.sees_state("New").notes("The guy wire is cut").presses("Work on it").sees_state("Open")
    assert not tech.scrolls_sideways
    tech.presses("Let it wait").chooses("It waits for", "a part").dialog.get_by_role("button", name="Let it wait").click()
    tech.sees_state("On hold").presses("Work on it").sees_state("Open").presses("Resolve")
    tech.dialog.get_by_label("What was done").fill("New wire, mast straight")
    tech.presses("Resolve it").sees_state("Resolved").reads_in_history("New wire, mast straight", "waits for a part")
    care.sees_state("Resolved").hears("The guy wire is cut")


def test_a_technician_goes_off_duty_and_back_with_one_press(world: World, browsers: Browsers) -> None:
    tech = at_the_desk(world, browsers, "tech", screen=PHONE, is_touch=True).opens("/tickets")
    tech.presses("On duty in Field. Switch").reads("You are off duty")
    ((is_on_duty,),) = world.ask_database(
        "SELECT m.is_on_duty FROM team_member m JOIN staff s ON s.id = m.staff_id WHERE s.email = 'tech@inet.demo'"
    )
    assert not is_on_duty
    tech.presses("Off duty in Field. Switch").reads("You are on duty")


def test_a_mail_becomes_a_ticket_and_the_answer_to_our_answer_joins_it(world: World, browsers: Browsers) -> None:
    writer = f"binta{new_number().replace(' ', '')}@example.gm"
    world.writes_mail(**{"from": f"Binta <{writer}>", "subject": "No internet at school", "text": "The whole school is offline."})
    care = at_the_desk(world, browsers).opens("/tickets?channel=email")
    care.follows(care.row("No internet at school").get_by_role("link").first)
    care.hears("The whole school is offline.").says("Is the lamp of the box green?")
    mail = wait_for(lambda: [one for one in world.mails_to(writer) if "lamp" in one["text"]], "our mail")[0]
    answers = {"In-Reply-To": mail["message_id"]}
    world.writes_mail(**{"from": f"Binta <{writer}>", "subject": "Re: " + mail["subject"], "text": "It is red.", "headers": answers})
    care.hears("It is red.").sees_state("Open")


def test_a_held_mail_is_released_by_a_person_and_becomes_a_ticket(world: World, browsers: Browsers) -> None:
    subject = f"Offer {new_number()}"
    machine = {"Auto-Submitted": "auto-generated"}
    world.writes_mail(**{"from": "Robot <robot@example.gm>", "subject": subject, "text": "The monitor says down.", "headers": machine})
    care = at_the_desk(world, browsers).opens("/inbound")
    care.row(subject).get_by_role("button", name="Look").click()
    expect(care.dialog).to_contain_text("Sent by a machine")
    care.presses("Make it a ticket").reads("It becomes a ticket now.")
    care.opens("/tickets?channel=email").sees(subject)


def test_a_report_from_a_known_outage_is_linked_at_once_and_told_once(world: World, browsers: Browsers) -> None:
    world.discovers()
    slug = world.routers(4)[-1]
    ((location, place),) = world.ask_database(
        "SELECT s.external_id, s.name FROM site s JOIN gateway g ON g.site_id = s.id WHERE g.slug = %s", slug
    )
    standing = "SELECT i.reference FROM incident i JOIN site s ON s.id = i.site_id WHERE s.external_id = %s AND i.state = 'open'"
    devices = "/_control/openwisp/devices"
    world.sandbox.http.post(devices, json={"location": location, "status": "critical"}).raise_for_status()
    try:
        ((incident,),) = wait_for(lambda: world.ask_database(standing, location), "the incident", seconds=_OUTAGE_SECONDS)
        customer = Customer(world, browsers.open(), world.join(slug=slug))
        reference = customer.arrives().reports("Nothing loads since a while")
        customer.reads(f"There is an outage at {place}")
        care = at_the_desk(world, browsers).opens(f"/tickets/{reference}").sees("Known outage", incident)
        care.reads_in_history("Outage told")
        wait_for(lambda: world.texts_to(customer.number), "the text about the outage")
        customer.adds("Still nothing")
        care.hears("Still nothing")
        assert sum("outage" in text for text in world.texts_to(customer.number)) == 1
    finally:
        world.sandbox.http.post(devices, json={"location": location, "status": "ok"}).raise_for_status()
    wait_for(lambda: not world.ask_database(standing, location), "the outage's end", seconds=_OUTAGE_SECONDS)

"""The everyday jobs of Customer Care, clicked through as its people do them: from what a customer reports to what they say of our help."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.browsers import Browsers
from tests.browser.console import at_the_desk
from tests.browser.portal import Customer, photo, reported
from tests.browser.world import World, wait_for


def test_a_report_with_a_photo_comes_up_is_answered_and_comes_back(world: World, browsers: Browsers) -> None:
    care = at_the_desk(world, browsers).opens("/tickets?state=new").sees("Tickets")
    customer = Customer(world, browsers.open(), world.join())
    reference = customer.arrives().reports("Every page stays white here at the stall", photo=photo())
    care.follows(care.row(reference).get_by_role("link", name=reference))
    assert customer.phone is not None
    care.sees(f"Ticket {reference}", "Every page stays white here", re.compile(customer.phone.mac, re.IGNORECASE))
    ((place,),) = world.ask_database("SELECT s.name FROM site s JOIN gateway g ON g.site_id = s.id WHERE g.slug = %s", customer.phone.slug)
    care.sees(place)
    picture = care.conversation.get_by_role("link", name=re.compile("^screen")).locator("img")
    wait_for(lambda: picture.evaluate("image => image.naturalWidth > 0"), "the photo")
    care.presses("Watch").sees("Watched by Awa Sarr")
    care.says("Please forget the network and join again.").hears("Please forget the network").sees_state("Waits for the customer")
    customer.looks_again().reads("Please forget the network and join again.").reads("We wait for your answer")
    customer.adds("It is still white")
    care.hears("It is still white").sees_state("Open")
    care.page.get_by_role("button", name=re.compile("^News for you")).click()
    expect(care.page.get_by_role("menu")).to_contain_text(re.compile(f"The customer wrote in {reference}|{reference}: "))


def test_who_paid_and_is_not_served_comes_first_and_is_helped_by_one_press(world: World, browsers: Browsers) -> None:
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().buys()
    receipt = customer.receipt
    world.has_no_stock()
    world.sandbox.fault("portabilling", down=True)
    customer.goes_to_wave().pays().reads("The billing system is not answering")
    payment_page = customer.page.url
    reference = customer.reports("I paid and nothing happens", link="Report a problem with this payment")
    care = at_the_desk(world, browsers).opens("/tickets?priority=urgent")
    care.follows(care.row(reference).get_by_role("link", name=reference))
    care.sees("Urgent", "Paid, and not served yet", receipt)
    care.reads_in_history("Priority: urgent", re.compile("not served", re.IGNORECASE))
    world.mend("portabilling")
    care.main.get_by_role("button", name="Try again now").first.click()
    care.reads_in_history("The payment is tried again")
    customer.page.goto(payment_page)
    customer.is_online()
    expect(care.main).not_to_contain_text("Paid, and not served yet")


def test_a_caller_with_an_open_ticket_is_recognised_and_another_gets_a_new_one(world: World, browsers: Browsers) -> None:
    waiting = reported(world, "No signal at the clinic since this morning")
    care = at_the_desk(world, browsers).opens("/tickets").presses("New ticket")
    care.dialog.get_by_label("Phone number").fill(waiting.number)
    expect(care.dialog).to_contain_text("No signal at the clinic")
    care.dialog.get_by_text(f"Add to {waiting.reference} instead").click()
    care.dialog.get_by_label("What they say").fill("Calls again: now it is gone on both phones")
    care.presses("Keep it").sees(f"Ticket {waiting.reference}").hears("No signal at the clinic", "gone on both phones")
    care.opens("/tickets").presses("New ticket")
    care.dialog.get_by_label("Phone number").fill("399 4821")
    expect(care.dialog).to_contain_text("This number is new here.")
    care.dialog.get_by_label("What they say").fill("Wants to know what a month costs")
    care.presses("Keep it").hears("Wants to know what a month costs")
    expect(care.main).not_to_contain_text(waiting.reference)


def test_two_reports_of_one_person_are_merged_and_taken_apart_again(world: World, browsers: Browsers) -> None:
    first = reported(world, "The voucher is refused")
    second = reported(world, "Now it says wrong code three times", first.number)
    care = at_the_desk(world, browsers).opens(f"/tickets/{second.reference}").hears("three times")
    care.more("Merge into another ticket")
    care.dialog.get_by_label("Reference of the ticket that stays").fill(first.reference)
    care.page.get_by_role("option", name=re.compile(first.reference)).click()
    expect(care.dialog).to_contain_text(f"1 message would move to {first.reference}")
    care.presses("Merge").sees(f"Ticket {first.reference}").hears("The voucher is refused", "three times")
    care.presses("Undo").reads("Undone.")
    expect(care.conversation).not_to_contain_text("three times")
    care.hears("The voucher is refused").opens(f"/tickets/{second.reference}").hears("three times").sees_state("New")


def test_ten_tickets_are_changed_at_once_and_taken_back(world: World, browsers: Browsers) -> None:
    number = reported(world, "The mast at the river is down again, house 1").number
    for house in range(2, 11):
        reported(world, f"The mast at the river is down again, house {house}", number)
    care = at_the_desk(world, browsers).opens(f"/tickets?q={number.replace(' ', '')}").sees("10")
    care.main.get_by_role("checkbox", name="Choose").first.click()
    care.presses("Choose the page").sees("10 picked").presses("Change …")
    care.chooses("Priority", "High")
    care.dialog.get_by_label("Add tags").fill("river mast")
    care.presses("See what would happen")
    expect(care.dialog.get_by_text(re.compile("tag river-mast"))).to_have_count(10)
    care.dialog.get_by_role("button", name="Change", exact=True).click()
    result = care.dialog.filter(has_text="10 changed")
    expect(result).to_be_visible()
    expect(care.main.locator("tbody").get_by_text("High", exact=True)).to_have_count(10)
    result.get_by_role("button", name="Undo").click()
    expect(care.dialog.filter(has_text="10 taken back")).to_be_visible()
    expect(care.main.locator("tbody").get_by_text("High", exact=True)).to_have_count(0)


def test_a_draft_survives_and_who_answers_second_is_warned_and_loses_nothing(world: World, browsers: Browsers) -> None:
    report = reported(world, "My time runs while I am offline")
    path = f"/tickets/{report.reference}"
    care = at_the_desk(world, browsers).opens(path).writes("We look at your session now.").sees("Draft kept").opens(path)
    expect(care.answer).to_have_value("We look at your session now.")
    other = at_the_desk(world, browsers, "admin").opens(path).sees(re.compile("Awa Sarr is (here|writing)"))
    other.says("Your time was given back.").hears("Your time was given back.")
    care.hears("Your time was given back.").presses("Send and wait")
    expect(care.dialog).to_contain_text("Something was said meanwhile")
    expect(care.dialog).to_contain_text("Your time was given back.")
    care.presses("Look first")
    expect(care.answer).to_have_value("We look at your session now.")
    expect(care.conversation.get_by_text("We look at your session now.")).to_have_count(0)
    care.presses("Send and wait").hears("We look at your session now.")
    care.presses("Work on it").sees_state("Open").presses("Let it wait")
    care.chooses("It waits for", "a third party").dialog.get_by_role("button", name="Let it wait").click()
    care.sees_state("On hold").reads_in_history("waits for a third party")


def test_a_resolved_ticket_is_rated_in_one_tap_and_opened_again_by_a_word(world: World, browsers: Browsers) -> None:
    report = reported(world, "The page to pay does not open")
    care = at_the_desk(world, browsers).opens(f"/tickets/{report.reference}").presses("Resolve")
    care.presses("Resolve it").sees_state("Resolved")
    link = wait_for(lambda: re.search(r"resolved.*?(https?://\S+)", " ".join(world.texts_to(report.number))), "the text with the link")
    assert link is not None
    address = urlsplit(link[1])
    customer = Customer(world, browsers.open())
    customer.page.goto(f"{world.url}{address.path}?{address.query}")
    customer.sees("Your request").reads("How was our help?").looks_again()
    assert world.ask_database(
        "SELECT count(*) FROM ticket_rating r JOIN ticket t ON t.id = r.ticket_id WHERE t.reference = %s", report.reference
    ) == [(0,)]
    customer.page.get_by_role("button", name="4 of 5: good").click()
    customer.reads("You gave us 4 of 5: good.")
    care.reads_in_history(re.compile("rated", re.IGNORECASE))
    customer.adds("It is the same again", "It still does not work")
    care.sees_state("Open").hears("It is the same again").reads_in_history("Opened again")


def test_the_board_is_worked_by_keyboard_and_the_search_forgives_a_typing_error(world: World, browsers: Browsers) -> None:
    report = reported(world, "Streaming stutters in the evenings at the lighthouse")
    care = at_the_desk(world, browsers).opens("/tickets/board")
    move = care.page.get_by_role("button", name=f"Move {report.reference}")
    move.focus()
    move.press("Enter")
    expect(care.page.get_by_role("menu")).to_be_focused()
    care.page.keyboard.press("Tab")
    expect(care.page.locator(":focus")).to_have_text("Open")
    care.page.keyboard.press("Enter")
    care.reads(f"{report.reference}: Open.")
    expect(care.main.get_by_label("Open", exact=True)).to_contain_text(report.reference)
    world.runs("jobs.ticket_search.gather_words")
    digits = report.number.replace(" ", "")
    for asked in (digits[-4:], "lighthuose"):
        care.opens(f"/tickets?q={asked}").sees(report.reference)

"""When somebody outside refuses, is away, or answers late: the customer is told the truth and still gets online."""

from __future__ import annotations

from tests.browser.browsers import Browsers
from tests.browser.portal import Customer
from tests.browser.world import World


def test_who_was_refused_by_wave_sees_why_and_tries_again(world: World, browsers: Browsers) -> None:
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().buys()
    receipt = customer.receipt
    customer.goes_to_wave().page.get_by_role("button", name="Refuse").click()
    customer.sees("Payment refused").page.get_by_role("link", name="Back to the shop").click()
    customer.reads("Wave refused it: insufficient funds. You have not been charged.").is_captive()
    customer.goes_to_wave().pays().is_online().paid_once(receipt)


def test_wave_refusing_to_open_a_payment_charges_nobody_and_can_be_tried_again(world: World, browsers: Browsers) -> None:
    world.sandbox.fault("wave", error_rate=1, error_statuses=[429])
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().picks().gives_number().reads("You have not been charged").is_captive()
    world.mend("wave")
    customer.page.get_by_role("button", name="Try again").click()
    customer.sees("in Wave")
    receipt = customer.receipt
    customer.goes_to_wave().pays().is_online().paid_once(receipt)


def test_while_wave_is_away_the_page_says_so_and_goes_on_by_itself(world: World, browsers: Browsers) -> None:
    # The call breaks off or meets a 503, so Wave may have opened a session: it is asked before anything is opened again.
    world.sandbox.fault("wave", down=True)
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().picks().gives_number().sees("Opening Wave").reads("Wave is not answering right now. You have not been charged.")
    world.mend("wave")
    customer.sees("in Wave")
    receipt = customer.receipt
    customer.goes_to_wave().pays().is_online().paid_once(receipt)


def test_while_billing_is_down_the_payer_is_told_and_is_online_by_itself_afterwards(world: World, browsers: Browsers) -> None:
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().buys()
    receipt = customer.receipt
    world.has_no_stock()
    world.sandbox.fault("portabilling", down=True)
    customer.goes_to_wave().pays().sees("Paid. Connecting")
    customer.reads("You have paid. The billing system is not answering; you will be online by yourself as soon as it does.")
    customer.is_captive()
    world.mend("portabilling")
    customer.is_online().paid_once(receipt)


def test_while_billing_is_down_the_payer_is_online_from_the_stock(world: World, browsers: Browsers) -> None:
    world.has_stock()
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().buys()
    receipt = customer.receipt
    world.sandbox.fault("portabilling", down=True)
    customer.goes_to_wave().pays().is_online()
    bound = "SELECT v.origin FROM voucher v JOIN payment p ON p.id = v.payment_id WHERE p.reference = %s"
    assert world.ask_database(bound, receipt) == [("stock",)]
    world.mend("portabilling")


def test_a_wrong_phone_number_is_said_at_its_field_and_buys_nothing(world: World, browsers: Browsers) -> None:
    bought = len(world.sandbox.state()["sessions"])
    customer = Customer(world, browsers.open(), world.join())
    field = customer.arrives().picks().gives_number("123").page.get_by_label("Your phone number")
    customer.page.get_by_role("alert").wait_for()
    assert (field.get_attribute("aria-invalid"), field.input_value()) == ("true", "123")
    assert field.evaluate("field => field === document.activeElement")
    assert len(world.sandbox.state()["sessions"]) == bought

"""Refusals of the accounts context."""

from __future__ import annotations

from app.errors import Conflict, InvalidInput, NotFound, Unauthenticated


class BadPhone(InvalidInput):
    code, title = "bad_phone", "That is not a phone number we can use"
    message = "Enter a Gambian mobile number such as 301 2345 or 83 301 2345, or a foreign one with + and the country code."

    def __init__(self) -> None:
        super().__init__(field="phone")


class BadCredentials(Unauthenticated):
    code, title = "bad_credentials", "Log-in refused"
    message = "E-mail or password is not right."


class StaffExists(Conflict):
    code, title = "staff_exists", "There is already an account"
    message = "There is already a staff account with that e-mail address."


class WeakPassword(InvalidInput):
    code, title = "weak_password", "The password is too weak"
    message = "Use at least 12 characters, and not a well-known password."


class BadEmail(InvalidInput):
    code, title = "bad_email", "That is not an e-mail address"
    message = "Enter an e-mail address such as name@example.gm."


class CustomerNotFound(NotFound):
    code, title = "customer_not_found", "No such customer"
    message = "There is no customer with that phone number."

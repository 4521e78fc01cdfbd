"""Refusals of the accounts context."""

from __future__ import annotations

from app.errors import Conflict, DomainError, ErrorKind, Forbidden, InvalidInput, NotFound, Unauthenticated


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

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, field="password")


class WrongPassword(InvalidInput):
    code, title = "wrong_password", "That is not your password"
    message = "That is not your present password."

    def __init__(self) -> None:
        super().__init__(field="present")


class LinkSpent(DomainError):
    kind, code, title = ErrorKind.GONE, "link_spent", "This link does not work any more"
    message = "This link was used already, is too old, or was replaced by a newer one. Ask for a new one."


class StaffNotFound(NotFound):
    code, title = "staff_not_found", "No such person"
    message = "There is no staff account under that number."


class TokenNotFound(NotFound):
    code, title = "token_not_found", "No such token"
    message = "There is no API token under that number."


class NotYourself(Forbidden):
    code = "not_yourself"
    message = "You cannot do this to your own account; another admin can. Your password, second factor and sessions are under Your account."


class OnlyRoot(Forbidden):
    code = "only_root"
    message = "Only Root makes or changes Root and System Admin accounts."


class LastRoot(Conflict):
    code, title = "last_root", "This is the last Root"
    message = "This is the last active Root account. Make another one first, or nobody could ever change it back."


class BadEmail(InvalidInput):
    code, title = "bad_email", "That is not an e-mail address"
    message = "Enter an e-mail address such as name@example.gm."


class CustomerNotFound(NotFound):
    code, title = "customer_not_found", "No such customer"
    message = "There is no customer with that phone number."

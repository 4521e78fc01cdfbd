"""Refusals of the access context."""

from __future__ import annotations

from app.errors import Conflict, ErrorKind, InvalidInput, NotFound


class GatewayNotFound(NotFound):
    code, title = "gateway_not_found", "No such gateway"
    message = "There is no gateway with that name. Check the slug in the list of gateways."


class GatewayExists(Conflict):
    code, title = "gateway_exists", "The gateway is registered already"
    message = "A gateway with that slug or gateway name is registered already."


class BadGateway(InvalidInput):
    code, title = "bad_gateway", "The gateway's settings are not valid"


class BadClient(InvalidInput):
    code, title = "bad_client", "That client cannot be named so"
    message = "Name one client: hid (64 hexadecimal digits) or mac (aa:bb:cc:dd:ee:ff), not both."


class StaleContext(InvalidInput):
    kind, code, title = ErrorKind.GONE, "stale_context", "Your visit to this hotspot has ended"
    message = "This page is too old. Switch Wi-Fi off and on, and open the log-in page again."


class NoTimeLeft(Conflict):
    kind, code, title = ErrorKind.GONE, "no_time_left", "The time is used up"
    message = "The time or data of this purchase is used up. Buy another package to go on."


class DeviceLimitReached(Conflict):
    code, title = "device_limit_reached", "All devices of this package are in use"
    message = "This package is in use on as many devices as it allows."


class SessionNotFound(NotFound):
    code, title = "session_not_found", "No such session"
    message = "There is no access session under that number."


class EntitlementNotFound(NotFound):
    code, title = "entitlement_not_found", "No such purchase"
    message = "There is no purchased time under that number."


class BadExtension(InvalidInput):
    code, title = "bad_extension", "That much time cannot be given"
    message = "Give between one minute and 30 days."


class NotExtendable(Conflict):
    code, title = "not_extendable", "This time cannot be extended"


class SlotNotFound(NotFound):
    code, title = "slot_not_found", "No such device on this purchase"
    message = "That device is not on this purchase any more."


class SwapLimitReached(Conflict):
    code, title = "swap_limit_reached", "Moved too often today"
    message = (
        "This package was moved between devices three times in a day while they were online. "
        "Go on with a device that has it, try again when one has left the Wi-Fi, or ask our staff."
    )


class SwapNotProved(Conflict):
    code, title = "swap_not_proved", "We are not sure that this is your purchase"
    message = "Enter the voucher code, or the receipt code and phone number, under “Already paid?” on the device that is to use it."

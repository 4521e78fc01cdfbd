"""What a question to OpenWISP may end with, each one of the three kinds of `app.outbound`.

Everything asked is a read, so nothing is ever half done: a time-out or a 5xx is `Unavailable` here.
"""

from app.outbound import OutcomeUnknown, Refused, Unavailable

SERVICE = "openwisp"

RIGHTS = {
    "devices": "view devices",
    "device": "view devices",
    "count": "view devices",
    "places": "view locations",
    "place_devices": "view locations and devices",
}


class MalformedAnswer(OutcomeUnknown):
    """Something answered that is not the API we know: a page, cut JSON, another shape. Nothing of it may be used."""


class Throttled(Unavailable):
    """OpenWISP asks to be left alone for `retry_after_seconds`."""

    def __init__(self, operation: str, retry_after_seconds: float) -> None:
        super().__init__(SERVICE, operation, "too many requests (HTTP 429)", retry_after_seconds)
        self.args = (operation, retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class NotAuthorised(Refused):
    """The token is missing, wrong or revoked."""

    def __init__(self, operation: str, http_status: int | None = 401) -> None:
        super().__init__(SERVICE, operation, "not_authorised", "the token in INET_OPENWISP_TOKEN is not accepted", http_status)
        self.args = (operation, http_status)
        self.detail = f"{self.message} ({'none or no usable one is set' if http_status is None else f'HTTP {http_status}'})"


class Forbidden(Refused):
    """The token is known, but its user lacks `right`, or manages no organisation."""

    def __init__(self, operation: str) -> None:
        self.right = RIGHTS.get(operation, operation)
        message = f"the user of INET_OPENWISP_TOKEN lacks the right to {self.right}"
        super().__init__(SERVICE, operation, "forbidden", message, 403)
        self.args = (operation,)
        self.detail = f"{message} (HTTP 403)"


class NotFound(Refused):
    """No such address or thing. `by_api` is False when not the API but something before it said so (no JSON with a `detail`)."""

    def __init__(self, operation: str, by_api: bool) -> None:
        super().__init__(SERVICE, operation, "not_found", "", 404)
        self.args = (operation, by_api)
        self.by_api = by_api


class MonitoringAbsent(Refused):
    """This OpenWISP runs without its monitoring module, so nothing can be asked by status."""

    def __init__(self, operation: str) -> None:
        super().__init__(SERVICE, operation, "monitoring_absent", "this OpenWISP has no monitoring", 404)
        self.args = (operation,)

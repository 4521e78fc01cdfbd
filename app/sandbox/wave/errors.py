"""Wave's refusals (protocols/wave.md §2, §4.3)."""

from __future__ import annotations

from fastapi import Request, Response

from app.sandbox.problems import json_response

PAYMENT_ERRORS = {
    "insufficient-funds": "The payer does not have enough money",
    "blocked-account": "The payer's account is blocked",
    "cross-border-payment-not-allowed": "Payments from abroad are not allowed",
    "customer-age-restricted": "The payer is too young for this payment",
    "kyb-limits-exceeded": "The merchant's limits are exceeded",
    "payer-mobile-mismatch": "The payer's number is not the one this payment is restricted to",
    "payment-failure": "The payment failed",
}

AUTH_ERRORS = {
    "missing-auth-header": (401, "The Authorization header is missing"),
    "invalid-auth": (401, "The credentials cannot be understood"),
    "api-key-not-provided": (401, "No API key was given"),
    "no-matching-api-key": (401, "The API key is not known"),
    "api-key-revoked": (401, "The API key was revoked"),
    "invalid-wallet": (403, "The wallet cannot be used"),
    "disabled-wallet": (403, "The wallet is disabled"),
    "ip-not-allowed": (403, "This address may not use the API key"),
}


class WaveError(Exception):
    """A refusal with Wave's error body."""

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, object]] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.details = status, code, message, details


def auth_error(code: str) -> WaveError:
    """The refusal for one of `AUTH_ERRORS`."""
    status, message = AUTH_ERRORS[code]
    return WaveError(status, code, message)


def invalid(field: str, message: str) -> WaveError:
    """A request that does not fit Wave's rules for one field."""
    return WaveError(400, "request-validation-error", "Request invalid", [{"loc": [field], "msg": message}])


def session_not_found() -> WaveError:
    """No such checkout session."""
    return WaveError(404, "checkout-session-not-found", "Checkout session not found")


def refund_failed(message: str) -> WaveError:
    """Wave will not refund this (the status is assumed)."""
    return WaveError(409, "checkout-refund-failed", message)


async def render_wave_error(_: Request, error: Exception) -> Response:
    """Wave's error body: code, message, optional details."""
    assert isinstance(error, WaveError)
    body: dict[str, object] = {"code": error.code, "message": error.message}
    if error.details is not None:
        body["details"] = error.details
    return json_response(body, error.status)

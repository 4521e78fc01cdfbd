"""Refusals in the words of Django and its REST framework."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Response

from app.sandbox.problems import json_response

NOT_FOUND_PAGE = (
    '<!doctype html>\n<html lang="en">\n<head><title>Not Found</title></head>\n'
    "<body><h1>Not Found</h1><p>The requested resource was not found on this server.</p></body>\n</html>\n"
)


class OpenWispError(Exception):
    """An answer other than the wanted one; a text as `body` goes out as an HTML page."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}

    def response(self) -> Response:
        """The answer."""
        if isinstance(self.body, str):
            return Response(self.body, status_code=self.status, media_type="text/html", headers=dict(self.headers))
        answer = json_response(self.body, self.status)
        answer.headers.update(self.headers)
        return answer


def page_not_found() -> OpenWispError:
    """No such address: Django's own page, not JSON."""
    return OpenWispError(404, NOT_FOUND_PAGE)


def no_match(model: str) -> OpenWispError:
    """No such object, or none that this token may see."""
    return OpenWispError(404, {"detail": f"No {model} matches the given query."})


def unauthorised(detail: str) -> OpenWispError:
    """401, with the only scheme that is understood."""
    return OpenWispError(401, {"detail": detail}, {"WWW-Authenticate": "Bearer"})


def bad_choice(name: str, value: str) -> OpenWispError:
    """A filter's value is not among its choices."""
    return OpenWispError(400, {name: [f"Select a valid choice. {value} is not one of the available choices."]})


def bad_uuid(name: str, value: str) -> OpenWispError:
    """A filter wants a UUID."""
    return OpenWispError(400, {name: [f"“{value}” is not a valid UUID."]})

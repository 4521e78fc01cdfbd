"""Photos over HTTP: tus as its clients speak it, what it refuses, and who is handed a file."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlmodel import Session
from starlette.testclient import TestClient

from app.clock import utc_now
from app.main import plain_app
from app.settings import get_settings
from services.apps.models import AppDevice
from services.photos.uploads import MAX_BYTES
from tests.app.api.asking import refusal
from tests.pages import builders
from tests.services.photos.phones import Sender, customers_phone, technicians_phone
from tests.services.photos.pictures import noise
from tests.services.tickets.files import png_bomb, zip_of
from tests.services.tickets.people import a_person

PHOTO = noise(1)
PIECE = "application/offset+octet-stream"
PHOTOS = "/api/mobile/v1/photos"


@pytest.fixture(autouse=True)
def folder(servers: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)


@pytest.fixture(scope="module")
def http(servers: None) -> Iterator[httpx.Client]:
    with TestClient(plain_app(("mobile",)), base_url="http://test") as client:
        yield client


class Tus:
    """One phone's tus client."""

    def __init__(self, http: httpx.Client, sender: Sender) -> None:
        self._http, self.sender = http, sender

    def ask(self, method: str, path: str, content: Any = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.sender.token}", "Tus-Resumable": "1.0.0"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._http.request(method, path, headers=sent | named, content=content)
        if path.startswith(PHOTOS):
            assert answer.headers["tus-resumable"] == "1.0.0"
        return answer

    def announce(self, content: bytes, *, size: int | None = None, body: bytes | None = None, **facts: str) -> httpx.Response:
        said = {"ticket": str(self.sender.ticket.id), "sha256": hashlib.sha256(content).hexdigest(), "name": "Zäune.jpg"} | facts
        piece = {"Content_Type": PIECE} if body is not None else {}
        length = str(len(content) if size is None else size)
        return self.ask("POST", PHOTOS, body, Upload_Length=length, Upload_Metadata=encoded(said), **piece)

    def begin(self, content: bytes, **facts: str) -> str:
        answer = self.announce(content, **facts)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"])

    def add(self, address: str, piece: Any, offset: int) -> httpx.Response:
        return self.ask("PATCH", address, piece, Content_Type=PIECE, Upload_Offset=str(offset))

    def send(self, content: bytes, **facts: str) -> dict[str, Any]:
        address = self.begin(content, **facts)
        answer = self.add(address, content, 0)
        assert answer.status_code == 204, answer.text
        return dict(self.ask("GET", address).json())


def encoded(said: dict[str, str]) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())


@pytest.fixture
def phone(session: Session, http: httpx.Client) -> Callable[[int], Tus]:
    """A customer's phone by number, with a ticket."""

    def made(number: int) -> Tus:
        customer = builders.a_customer(session, number, now=utc_now())
        return Tus(http, customers_phone(session, customer, builders.a_ticket(session, customer=customer, at=utc_now()), now=utc_now()))

    return made


@pytest.fixture
def awa(phone: Callable[[int], Tus]) -> Tus:
    return phone(1)


@pytest.fixture
def lamin(session: Session, http: httpx.Client) -> Tus:
    person = a_person(session, "lamin@test.gm")
    return Tus(http, technicians_phone(session, person, builders.a_ticket(session, assignee=person, at=utc_now()), now=utc_now()))


# --- what is spoken


def test_options_say_what_is_spoken(http: httpx.Client) -> None:
    answer = http.options(PHOTOS)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,creation-with-upload,expiration,termination"
    assert answer.headers["tus-max-size"] == str(MAX_BYTES)


def test_another_version_is_refused_before_anything_is_done(awa: Tus) -> None:
    for version in ("", "0.2.2"):
        answer = awa.ask("POST", PHOTOS, Tus_Resumable=version, Upload_Length="5")
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == "1.0.0"


def test_nobody_sends_without_a_log_in(http: httpx.Client) -> None:
    for method in ("POST", "HEAD", "PATCH", "DELETE", "GET"):
        path = PHOTOS if method == "POST" else f"{PHOTOS}/{'0' * 32}"
        answer = http.request(method, path, headers={"Tus-Resumable": "1.0.0"})
        assert answer.status_code == 401
        assert answer.headers["tus-resumable"] == "1.0.0"


# --- a photo's way


def test_a_photo_in_pieces_is_held_at_the_end(awa: Tus) -> None:
    address = awa.begin(PHOTO)
    first = awa.add(address, PHOTO[:1000], 0)
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
    assert first.headers["upload-expires"].endswith("GMT")
    looked = awa.ask("HEAD", address)
    assert (looked.status_code, looked.headers["upload-offset"], looked.headers["upload-length"]) == (204, "1000", str(len(PHOTO)))
    assert looked.headers["cache-control"] == "no-store"
    last = awa.add(address, iter([PHOTO[1000:5000], PHOTO[5000:]]), 1000)
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(PHOTO)))
    found = awa.ask("GET", address).json()
    assert (found["state"], found["received_bytes"], found["why"]) == ("held", len(PHOTO), None)
    assert awa.ask("GET", PHOTOS + f"?ticket={awa.sender.ticket.id}").json()["held"] == 1


def test_asked_again_it_is_the_same_photo(awa: Tus) -> None:
    address = awa.begin(PHOTO)
    awa.add(address, PHOTO[:1000], 0)
    again = awa.announce(PHOTO)
    assert (again.status_code, again.headers["location"], again.headers["upload-offset"]) == (200, address, "1000")
    awa.add(address, PHOTO[1000:], 1000)
    held = awa.announce(PHOTO, body=PHOTO)
    assert (held.status_code, held.headers["upload-offset"], held.json()["state"]) == (200, str(len(PHOTO)), "held")


def test_the_first_piece_may_come_with_the_announcement(awa: Tus) -> None:
    part = awa.announce(PHOTO, body=PHOTO[:500])
    assert (part.status_code, part.headers["upload-offset"]) == (201, "500")
    whole = awa.announce(noise(2), body=noise(2))
    assert (whole.status_code, whole.json()["state"]) == (201, "held")


def test_the_last_piece_may_be_empty(awa: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    address = awa.begin(PHOTO)
    with monkeypatch.context() as later:
        later.setattr("mobile.photos._finished", _left_undone)
        awa.add(address, PHOTO, 0)
    assert awa.ask("GET", address).json()["state"] == "receiving"
    assert awa.add(address, b"", len(PHOTO)).status_code == 204
    assert awa.ask("GET", address).json()["state"] == "held"


async def _left_undone(caller: Any, upload: Any) -> Any:
    """As when the process dies at this moment."""
    return upload


def test_a_photo_can_be_taken_back_until_it_is_held(awa: Tus) -> None:
    address = awa.begin(PHOTO)
    assert awa.ask("DELETE", address).status_code == 204
    assert awa.ask("HEAD", address).status_code == 404
    held = awa.send(PHOTO)
    refusal(awa.ask("DELETE", f"{PHOTOS}/{held['id']}"), 409, "photo_is_kept")


def test_a_network_without_patch_says_it_in_a_header(awa: Tus) -> None:
    address = awa.begin(PHOTO)
    sent = awa.ask("POST", address, PHOTO[:10], Content_Type=PIECE, Upload_Offset="0", X_HTTP_Method_Override="PATCH")
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "10")
    assert awa.ask("POST", address).status_code == 405
    assert awa.ask("POST", address, X_HTTP_Method_Override="DELETE").status_code == 204


# --- what is refused


@pytest.mark.parametrize("offset", [0, 999, 1001, 10**12])
def test_a_wrong_offset_is_told_the_right_one(awa: Tus, offset: int) -> None:
    address = awa.begin(PHOTO)
    awa.add(address, PHOTO[:1000], 0)
    answer = awa.add(address, PHOTO[1000:], offset)
    refusal(answer, 409, "offset_differs")
    assert answer.headers["upload-offset"] == "1000"


@pytest.mark.parametrize("headers", [{}, {"Upload_Offset": "-1"}, {"Upload_Offset": "x"}, {"Upload_Offset": "١"}])
def test_an_offset_that_is_no_number_is_refused(awa: Tus, headers: dict[str, str]) -> None:
    sent = {name: value.encode() for name, value in headers.items()}
    refusal(awa.ask("PATCH", awa.begin(PHOTO), b"x", Content_Type=PIECE, **sent), 422, "invalid_input")  # type: ignore[arg-type]


def test_more_than_was_announced_is_refused_whether_it_says_so_or_not(awa: Tus) -> None:
    address = awa.begin(PHOTO)
    refusal(awa.add(address, PHOTO + b"more", 0), 413, "photo_longer_than_said")
    refusal(awa.add(address, iter([PHOTO, b"more"]), 0), 413, "photo_longer_than_said")


def test_a_body_of_another_type_is_no_piece(awa: Tus) -> None:
    assert awa.ask("PATCH", awa.begin(PHOTO), PHOTO, Upload_Offset="0").status_code == 415


def test_two_hundred_megabytes_are_refused_when_announced_and_when_sent(awa: Tus) -> None:
    answer = awa.announce(PHOTO, size=200 * 1024 * 1024)
    refusal(answer, 413, "photo_too_large")
    assert answer.headers["tus-max-size"] == str(MAX_BYTES)
    address = awa.begin(PHOTO)
    sent = awa._http.patch(
        address,
        content=b"",
        headers={"Content-Type": PIECE, "Content-Length": str(200 * 1024 * 1024), "Authorization": f"Bearer {awa.sender.token}"},
    )
    refusal(sent, 413, "body_too_large")


@pytest.mark.parametrize("length", ["", "-5", "1e3", "0", "9" * 30])
def test_a_length_that_is_none_is_refused(awa: Tus, length: str) -> None:
    said = encoded({"ticket": str(awa.sender.ticket.id), "sha256": "0" * 64})
    refusal(awa.ask("POST", PHOTOS, Upload_Length=length, Upload_Metadata=said), 422, "invalid_input")


def test_a_length_that_is_told_later_is_refused(awa: Tus) -> None:
    refusal(awa.ask("POST", PHOTOS, Upload_Defer_Length="1"), 422, "invalid_input")


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "ticket",
        "ticket MQ==",
        "ticket MQ==,sha256 not-base64!",
        "ticket MQ==,ticket MQ==",
        "ticket /w==",
        "ticket MQ==,sha256 AAAA",
        f"ticket eHg=,{encoded({'sha256': '0' * 64})}",
        encoded({"ticket": "1", "sha256": "0" * 64, "latitude": "nan"}),
        encoded({"ticket": "1", "sha256": "0" * 64, "longitude": "999"}),
        encoded({"ticket": "1", "sha256": "0" * 64, "taken_at": "yesterday"}),
        encoded({"ticket": "1", "sha256": "0" * 64, "name": "a\x00b"}),
        encoded({"ticket": str(2**63), "sha256": "0" * 64}),
        "x" * 5000,
    ],
)
def test_metadata_that_say_too_little_or_nonsense_are_refused(awa: Tus, metadata: str) -> None:
    refusal(awa.ask("POST", PHOTOS, Upload_Length="5", Upload_Metadata=metadata), 422, "invalid_input")


def test_a_ticket_of_somebody_else_is_answered_like_none(awa: Tus, phone: Callable[[int], Tus], lamin: Tus) -> None:
    foreign = str(phone(2).sender.ticket.id)
    for sender in (awa, lamin):
        one, none = sender.announce(PHOTO, ticket=foreign), sender.announce(PHOTO, ticket=str(2**60))
        assert refusal(one, 404, "ticket_not_found")["detail"] == refusal(none, 404)["detail"]


def test_an_upload_of_another_phone_is_answered_like_none(awa: Tus, phone: Callable[[int], Tus]) -> None:
    address, other = awa.begin(PHOTO), phone(2)
    for method in ("GET", "DELETE"):
        refusal(other.ask(method, address), 404, "photo_not_found")
    refusal(other.add(address, PHOTO, 0), 404, "photo_not_found")
    assert other.ask("HEAD", address).status_code == 404
    assert other.ask("GET", PHOTOS + f"?ticket={awa.sender.ticket.id}").json()["items"] == []


@pytest.mark.parametrize(("content", "words"), [(zip_of(), "archive"), (png_bomb(), "million points")])
def test_what_is_no_photo_is_refused_at_the_end_with_words(awa: Tus, content: bytes, words: str) -> None:
    found = awa.send(content)
    assert (found["state"], found["attachment_id"]) == ("refused", None)
    assert words in found["why"]


def test_a_wrong_hash_is_refused_and_may_be_sent_again(awa: Tus) -> None:
    found = awa.send(PHOTO, sha256="0" * 64)
    assert (found["state"], "hash" in found["why"]) == ("refused", True)
    again = awa.announce(PHOTO, sha256="0" * 64)
    assert (again.status_code, again.headers["upload-offset"]) == (200, "0")


def test_a_phone_that_is_logged_out_sends_no_more(session: Session, awa: Tus) -> None:
    address = awa.begin(PHOTO)
    session.get_one(AppDevice, awa.sender.caller.app_device_id).revoked_at = utc_now()
    session.flush()
    refusal(awa.add(address, PHOTO, 0), 401)


# --- files


def test_a_file_is_handed_to_who_may_see_the_ticket(awa: Tus, phone: Callable[[int], Tus], lamin: Tus) -> None:
    held = awa.send(PHOTO)
    address = f"/api/mobile/v1/attachments/{held['attachment_id']}"
    whole, small = awa.ask("GET", address), awa.ask("GET", f"{address}?size=thumbnail")
    assert Image.open(io.BytesIO(whole.content)).size == (160, 120)
    assert small.headers["content-type"] == "image/jpeg"
    assert whole.headers["etag"] != small.headers["etag"]
    assert whole.headers["cache-control"] == "no-store"
    assert whole.headers["content-disposition"].startswith("attachment;")
    again = awa.ask("GET", address, If_None_Match=whole.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    for stranger in (phone(2), lamin):
        refusal(stranger.ask("GET", address), 404, "attachment_not_found")


def test_a_note_of_staff_is_not_for_the_customer(session: Session, awa: Tus, lamin: Tus) -> None:
    held = lamin.send(PHOTO)
    lamin.sender.ticket.customer_id = awa.sender.caller.customer()
    session.flush()
    address = f"/api/mobile/v1/attachments/{held['attachment_id']}"
    assert lamin.ask("GET", address).status_code == 200
    refusal(awa.ask("GET", address), 404, "attachment_not_found")

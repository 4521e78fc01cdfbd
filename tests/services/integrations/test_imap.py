"""The mailbox over a real IMAP connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.integrations.imap import ImapClient
from tests.conftest import free_port
from tests.services.tickets.mailbox import Mailbox, mail_server


@pytest.fixture(scope="module")
def serving_mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as mailbox:
        yield mailbox


@pytest.fixture
def mailbox(serving_mailbox: Mailbox) -> Mailbox:
    serving_mailbox.http.post("/_control/reset")
    return serving_mailbox


def test_mails_are_listed_fetched_and_marked_without_touching_the_others(mailbox: Mailbox) -> None:
    first, second = mailbox.deliver("one") + mailbox.deliver("two")
    with mailbox.client().open() as box:
        assert (box.standing.messages, box.uids()) == (2, [first, second])
        fetched = box.fetch(first)
        assert fetched is not None
        assert b"one" in fetched
        head = box.fetch(first, headers_only=True)
        assert head is not None
        assert b"one" not in head
        assert box.fetch(99) is None
        assert [(mail.uid, mail.is_seen, mail.size) for mail in box.listed([first])] == [(first, False, len(fetched))]
        box.mark_seen([first])
        assert box.uids("UNSEEN") == [second]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("sandbox-mail", "wrong"), Refused),
        (("INBOX", "Nowhere"), Refused),
    ],
)
def test_a_wrong_password_or_folder_is_refused(mailbox: Mailbox, change: tuple[str, str], error: type[Exception]) -> None:
    with pytest.raises(error) as caught, ImapClient(mailbox.imap_url.replace(*change)).open():
        pass
    assert "wrong" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable), ImapClient(f"imap://a:b@127.0.0.1:{free_port()}/?tls=no").open():
        pass


@pytest.mark.parametrize("mode", [{"cut_in_fetch": 1}, {"cut_after_store": 1}])
def test_a_connection_that_is_cut_raises_at_once(mailbox: Mailbox, mode: dict[str, int]) -> None:
    (uid,) = mailbox.deliver()
    mailbox.order("mail/mode", **mode)
    with pytest.raises((OutcomeUnknown, Unavailable)):
        _fetch_and_mark(mailbox, uid)


def _fetch_and_mark(mailbox: Mailbox, uid: int) -> None:
    with mailbox.client().open() as box:
        box.fetch(uid)
        box.mark_seen([uid])


@pytest.mark.parametrize(
    "url",
    ["imaps://host/INBOX", "pop3://a:b@host", "imap://a:b@mail.example.gm/?tls=no", "imaps://a:b@127.0.0.1/?tls=no", "imaps://a:b@host:x/"],
)
def test_an_address_that_lacks_a_part_or_is_not_encrypted_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="mailbox") as caught:
        ImapClient(url)
    assert "a:b" not in str(caught.value)


def test_where_people_write_is_the_users_name_or_said() -> None:
    assert ImapClient("imaps://help%40inet.gm:x@host").address == "help@inet.gm"
    assert ImapClient("imaps://inet:x@host/?address=Help@inet.gm").address == "help@inet.gm"
    assert ImapClient("imaps://inet:x@host").address == ""

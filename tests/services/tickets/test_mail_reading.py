"""Making mails readable, however broken they are."""

from __future__ import annotations

import time

import pytest

from services.tickets.mail_reading import CUT, LONGEST_TEXT, Unreadable, fresh_words, identity, read_mail, text_of_html
from tests.services.tickets.mails import a_mail


def test_who_wrote_what_to_whom_is_found() -> None:
    mail = read_mail(a_mail("Hello", sender="Awa <AWA@Example.gm>", to="help@inet.gm", subject="Wi-Fi", mail_id="1@x", References="<0@x>"))
    assert (mail.sender, mail.sender_name, mail.recipients) == ("awa@example.gm", "Awa", ("help@inet.gm",))
    assert (mail.mail_id, mail.references, mail.subject, mail.text) == ("1@x", ("0@x",), "Wi-Fi", "Hello")


def test_a_mail_that_is_only_a_page_is_read_as_words_and_no_script_survives() -> None:
    html = "<head><title>x</title></head><body><script>alert(1)</script><p>The <b>Wi-Fi</b> &lt;is&gt; slow</p><img src=x onerror=alert(2)>"
    raw = b"From: a@x.gm\nContent-Type: text/html; charset=utf-8\n\n" + html.encode()
    assert read_mail(raw).text == "The Wi-Fi <is> slow"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"From: a@x.gm\nContent-Type: text/plain; charset=no-such\n\nbonjour \xe9t\xe9", "bonjour été"),
        (b"From: a@x.gm\nContent-Type: text/plain; charset=utf-8\n\n\xff\xfe broken", "ÿþ broken"),
        (b"From: a@x.gm\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nnever ends", "never ends"),
        (b"From: a@x.gm\nContent-Type: multipart/mixed\n\nno boundary", "no boundary"),
        (b"From: a@x.gm\nContent-Transfer-Encoding: base64\n\n!!!not base64!!!", None),
        (b"From: a@x.gm\nSubject: =?utf-8?b?broken?=\nContent-Type: nonsense\n\nwords", "words"),
        (b"", ""),
        (b"\x00\x01\x02", None),
        ("From: a@x.gm\nContent-Type: text/plain; charset=utf-8\n\n🙂🙂".encode(), "🙂🙂"),
        (b"From: a@x.gm\n\na\x00b\x07c", "abc"),
        (b"From: <>\nTo: " + b"a@b," * 5000 + b"\n\nhi", "hi"),
    ],
)
def test_whatever_is_broken_something_comes_out(raw: bytes, text: str | None) -> None:
    found = read_mail(raw).text
    assert text is None or found == text
    found.encode()


def test_parts_that_lie_too_deep_in_each_other_are_said_to_be_so() -> None:
    raw = b"From: a@x.gm\n" + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)) + b"\n\nhi"
    with pytest.raises(Unreadable, match="deep"):
        read_mail(raw)


def test_a_hundred_nested_parts_are_read() -> None:
    raw = b"From: a@x.gm\n" + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(40))
    assert read_mail(raw + b"Content-Type: text/plain\n\nhi").text == "hi"


def test_ten_megabytes_of_text_are_cut_with_a_word() -> None:
    text = read_mail(b"From: a@x.gm\n\n" + b"word " * 2_000_000).text
    assert len(text) == LONGEST_TEXT + len(CUT)
    assert text.endswith(CUT)


def test_files_come_with_their_names_and_a_mail_inside_is_a_file() -> None:
    mail = read_mail(a_mail("See the picture", file=("réçu.jpg", b"\xff\xd8\xff")))
    assert [(file.name, file.content) for file in mail.files] == [("réçu.jpg", b"\xff\xd8\xff")]
    inner = b"From: a@x.gm\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: in\n\nsecret\n--b--"
    forwarded = read_mail(inner)
    assert (forwarded.text, [file.claimed_type for file in forwarded.files]) == ("", ["message/rfc822"])


@pytest.mark.parametrize(
    ("text", "fresh"),
    [
        ("It works now.\n\nOn Mon, 2 Nov 2026 at 10:00, INET <help@inet.gm> wrote:\n> Please try\n> again", "It works now."),
        ("Ça marche.\n\nLe lun. 2 nov. 2026 à 10:00, INET <help@inet.gm> a écrit :\n> Essayez", "Ça marche."),
        ("First:\n- one\n- two\n\nBest regards\nAwa", "First:\n- one\n- two"),
        ("Thanks for nothing, it is still down.", "Thanks for nothing, it is still down."),
        ("> only\n> a quote", "> only\n> a quote"),
        ("Regards", "Regards"),
        ("🙂", "🙂"),
        ("", ""),
    ],
)
def test_earlier_mails_and_signatures_go_but_never_everything(text: str, fresh: str) -> None:
    assert fresh_words(text) == fresh


@pytest.mark.parametrize("bad", ["\n" * 60_000, "On " * 20_000, "> \n" * 20_000, "From: a\n" * 10_000, "mail " * 20_000])
def test_no_text_takes_long(bad: str) -> None:
    started = time.process_time()
    fresh_words(f"Hello {bad} end")
    assert time.process_time() - started < 4


@pytest.mark.parametrize("bad", ["<!" * 200_000, "<a " * 200_000, "<div>" * 200_000, "<![CDATA[" * 9_000, "<script>" + "</scrip" * 100_000])
def test_no_page_takes_long(bad: str) -> None:
    started = time.process_time()
    text_of_html(bad)
    assert time.process_time() - started < 4


def test_the_same_mail_by_two_ways_is_known_again_and_another_under_its_name_is_not() -> None:
    raw = a_mail("Hello", mail_id="same@x")
    other_way = b"Received: by another.example\nDelivered-To: help@inet.gm\n" + raw.replace(b"\n", b"\r\n")
    assert identity(raw) == identity(other_way)
    assert identity(raw) != identity(a_mail("Something else", mail_id="same@x"))

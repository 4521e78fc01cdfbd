"""What is kept of a file is decided by its content, whatever it calls itself."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.tickets.attachment_checks import MAX_BYTES, Checked, check, check_all, clean_name
from tests.services.tickets.files import EICAR, PROGRAM, jpeg, pdf, png, png_bomb, saved, upload, zip_of


def opened(kept: Checked) -> Image.Image:
    assert kept.content is not None, kept.why
    return Image.open(io.BytesIO(kept.content))


def test_a_photo_is_kept_without_the_place_where_it_was_taken() -> None:
    sent = jpeg(place=True, comment=b"call me on 3012345")
    assert b"Phone of Awa" in sent
    kept = check(upload(sent, "IMG 0001.JPG"))
    picture = opened(kept)
    assert (kept.name, kept.media_type) == ("IMG 0001.jpg", "image/jpeg")
    assert not picture.getexif()
    assert kept.content is not None
    for word in (b"Phone of Awa", b"Exif", b"3012345"):
        assert word not in kept.content


def test_a_photo_that_the_phone_turned_stands_upright() -> None:
    picture = opened(check(upload(jpeg(640, 480, orientation=6))))
    assert picture.size == (480, 640)
    top, bottom = picture.getpixel((240, 100)), picture.getpixel((240, 540))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200 > 100 > top[2]
    assert bottom[2] > 200


def test_a_large_photo_is_made_smaller_and_gets_a_small_one_beside_it() -> None:
    kept = check(upload(jpeg(6000, 4000)))
    assert opened(kept).size == (2560, 1707)
    assert kept.thumbnail is not None
    assert max(Image.open(io.BytesIO(kept.thumbnail)).size) == 320
    assert (kept.facts["sent_width"], kept.facts["sent_height"]) == (6000, 4000)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_other_pictures_become_a_jpeg_too(kind: str) -> None:
    kept = check(upload(saved(Image.new("RGB", (80, 60), "green"), kind), f"shot.{kind.lower()}", "text/html"))
    assert (kept.name, kept.media_type, opened(kept).format) == ("shot.jpg", "image/jpeg", "JPEG")


def test_what_is_see_through_becomes_white() -> None:
    picture = opened(check(upload(png(color=(0, 0, 0, 0)))))
    assert picture.getpixel((10, 10)) == (255, 255, 255)


def test_a_second_file_hidden_behind_a_picture_is_gone() -> None:
    archive = zip_of("run.exe", PROGRAM)
    kept = check(upload(jpeg() + archive))
    assert kept.content is not None
    assert b"PK\x03\x04" not in kept.content


def test_a_pdf_and_plain_words_are_kept_as_they_are() -> None:
    receipt = check(upload(pdf(), "receipt"))
    assert (receipt.content, receipt.media_type, receipt.name) == (pdf(), "application/pdf", "receipt.pdf")
    log = check(upload("Sërekunda: no network\n1 < 2 & it <b>\n".encode(), "phone.log"))
    assert (log.media_type, log.name, log.why) == ("text/plain", "phone.txt", None)


REFUSED = {
    "nothing": (b"", "photo.jpg", "empty"),
    "the test virus": (EICAR, "photo.jpg", "virus"),
    "the test virus in words": (b"hello " + EICAR, "a.txt", "virus"),
    "a program called a photo": (PROGRAM, "photo.jpg", "program"),
    "a Linux program": (b"\x7fELF" + b"\x00" * 64, "photo.png", "program"),
    "an archive": (zip_of(), "photos.zip", "archive"),
    "an archive called a photo": (zip_of(content=b"\x00" * 5_000_000), "photo.jpg", "archive"),
    "a packed file": (b"\x1f\x8b\x08" + b"\x00" * 20, "log.txt", "archive"),
    "an Office document": (zip_of("word/document.xml"), "letter.docx", "Office"),
    "an old Office document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "letter.doc", "Office"),
    "a drawing with code": (b'<svg xmlns="x" onload="alert(1)"/>', "logo.svg", "code"),
    "a web page called words": (b"<!DOCTYPE html><p>hello", "a.txt", "code"),
    "a web page after words": (b"hello\n<script>alert(1)</script>", "a.txt", "code"),
    "a web page after a mark": (b"\xef\xbb\xbf  <html><body>", "a.txt", "code"),
    "a shell script": (b"#!/bin/sh\nrm -rf /\n", "a.txt", "script"),
    "a script by its name": (b"var a = 1", "a.js", ".js"),
    "a batch file": (b"@echo off\r\ndel *.*", "readme", "script"),
    "a video": (b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 64, "clip.jpg", "video"),
    "a photo that cannot be read": (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 64, "clip.heic", "HEIC"),
    "a sound": (b"RIFF\x00\x00\x00\x00WAVEfmt ", "a.jpg", "video or sound"),
    "a picture that is cut off": (jpeg()[:400], "photo.jpg", "cannot be read"),
    "a picture bomb": (png_bomb(), "photo.png", "million"),
    "a picture bomb that Pillow only warns of": (png_bomb(8000, 8000), "photo.png", "million"),
    "bytes of any kind": (bytes(range(256)) * 4, "a.bin", "kind of file"),
    "words with a NUL": (b"hello\x00world", "a.txt", "kind of file"),
    "a PDF with a program": (pdf(b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"), "a.pdf", "PDF"),
    "a PDF with a program, spelled oddly": (pdf(b"/OpenAction << /S /J#61vaScript >>"), "a.pdf", "PDF"),
    "a PDF with a program, packed": (pdf(packed=b"<< /S /JavaScript >>"), "a.pdf", "PDF"),
    "a PDF with another file": (pdf(b"/Names << /EmbeddedFiles 5 0 R >>"), "a.pdf", "PDF"),
    "a PDF that starts something": (pdf(b"/S /Launch /F (cmd.exe)"), "a.pdf", "PDF"),
    "a PDF that is locked": (pdf(b"/Encrypt 9 0 R"), "a.pdf", "locked"),
    "a PDF that is an archive too": (pdf() + zip_of("run.exe", PROGRAM), "a.pdf", "archive"),
    "a PDF that unpacks to far more": (pdf(packed=b"\x00" * 40_000_000), "a.pdf", "unpacks"),
    "too much": (b"a" * (MAX_BYTES + 1), "a.txt", "larger than 10 MB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_harm_is_refused_in_words(name: str) -> None:
    content, called, word = REFUSED[name]
    refused = check(upload(content, called, "image/jpeg"))
    assert refused.content is None
    assert refused.why is not None
    assert word in refused.why
    assert len(refused.why) <= 200


def test_the_eleventh_file_is_refused_and_the_first_ten_are_kept() -> None:
    checked = check_all([upload(png(), f"{number}.png") for number in range(11)])
    assert [one.why is None for one in checked] == [True] * 10 + [False]
    assert checked[-1].why is not None
    assert "Only 10" in checked[-1].why


def test_a_thousand_files_are_named_in_one_line() -> None:
    checked = check_all([upload(b"x", f"{number}.txt") for number in range(1000)])
    assert len(checked) == 21
    assert checked[-1].name == "980 more files"


def test_files_that_are_too_large_together_are_refused_from_there_on() -> None:
    large = [upload(b"a" * 8_000_000, f"{number}.txt") for number in range(3)]
    assert [one.why is None for one in check_all(large)] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\r\nContent-Type: x", "aContent-Type: x"),
        ('say "hi".txt', "say 'hi'.txt"),
        ("\u200b\u200b", "file"),
        ("...", "file"),
        ("", "file"),
        ("é" * 300 + ".jpg", "é" * 120),
    ],
    ids=ascii,
)
def test_a_name_is_shown_without_tricks(name: str, shown: str) -> None:
    assert clean_name(name) == shown


@settings(max_examples=150)
@given(
    content=st.binary(max_size=400),
    head=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-", b"RIFF", b"GIF89a"]),
    name=st.text(max_size=40),
)
def test_nothing_that_is_sent_raises(content: bytes, head: bytes, name: str) -> None:
    (checked,) = check_all([upload(head + content, name)])
    assert (checked.content is None) == (checked.why is not None)
    assert len(checked.name) <= 160

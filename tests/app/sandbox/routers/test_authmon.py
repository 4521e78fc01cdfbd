from __future__ import annotations

from urllib.parse import quote

import pytest

from app.sandbox.routers.authmon import Terms, build_call, deauthed_report, read_view_answer
from app.sandbox.routers.models import Grant, Router

RHID = "b8e7f0d320fa9b121840ce51cf4a45a6e71d96d162e949d0e80d34f57d9a31b0"
PORTAL = "http://127.0.0.1:8080"


def router(level: int = 3, version: str = "9.10.0") -> Router:
    return Router("slug", "A", "inet-3f9c2a7be1d04c58", "k", level, version, 0, 2.0)


def entry(number: int, rest: str = " 60 0 0 0 0 Zz04YzFm") -> str:
    return quote(f"{number:064x}{rest}", safe="")


def test_the_dossiers_entry_becomes_its_ndsctl_line() -> None:
    answer = read_view_answer(f"* {RHID}%2060%20512%202048%200%20102400%20Zz04YzFm", 4)
    assert [(read.who, read.terms) for read in answer.entries] == [(RHID, Terms(60, 512, 2048, 0, 102400, "Zz04YzFm"))]
    assert answer.violation is None


@pytest.mark.parametrize("text", ["", "<html>*</html>", '{"detail": "no"}', "ack", " * x"])
def test_what_does_not_start_with_a_star_is_ignored(text: str) -> None:
    assert read_view_answer(text, 4).entries == []


def test_newer_versions_stop_after_four_entries_and_older_take_all() -> None:
    text = "* " + " ".join(entry(number) for number in range(6))
    assert [len(read_view_answer(text, most).entries) for most in (4, None)] == [4, 6]
    assert read_view_answer(text, 4).violation == "size"


def test_only_1024_characters_are_kept_and_the_cut_entry_is_taken_as_if_whole() -> None:
    text = "* " + " ".join(entry(number, " 600 0 0 0 0 Zz04YzFm") for number in range(12))
    entries = read_view_answer(text, None).entries
    assert len(entries) < 12
    whole, cut = entries[:-1], entries[-1]
    assert all(read.terms.minutes == 600 for read in whole)
    assert (len(cut.who), cut.terms.minutes) != (64, 600)


def test_zero_minutes_are_a_day_and_a_missing_custom_is_na() -> None:
    (read,) = read_view_answer(f"* {RHID}%200", 4).entries
    assert read.terms == Terms(1440, 0, 0, 0, 0, "bmE=")


def test_numbers_are_read_as_the_daemon_reads_them() -> None:
    (read,) = read_view_answer(f"* {RHID}%20{'9' * 30}%205x%20x%20-1%20%d9%a3", 4).entries
    assert read.terms == Terms(2**31 - 1, 5, 0, 0, 0, "bmE=")


@pytest.mark.parametrize("custom", ["x;touch", "a,b", "$(id)", "`id`", "a'b", 'a"b', "a|b", "a&b", "é", "a\nb"])
def test_a_list_with_a_byte_outside_the_whitelist_is_noted(custom: str) -> None:
    assert read_view_answer("* " + quote(f"{RHID} 60 0 0 0 0 {custom}", safe=""), 4).violation == "bytes"


def test_raw_bytes_outside_the_whitelist_are_noted_too() -> None:
    assert read_view_answer(f"* {RHID}%2060;reboot", 4).violation == "bytes"


def test_a_level_3_view_is_the_dossiers_post() -> None:
    request = build_call(PORTAL, router(), "view", "none")
    assert request.method == "POST"
    assert request.headers["User-Agent"] == "openNDS(authmon;NDS:9.10.0;)"
    assert request.content == (
        b"auth_get=view&gatewayhash=2aacdcbd548b5a3d5f8a5de565d1f7c2ab2377531293c7d09d5b16f2e318733c&payload=bm9uZQ%3D%3D"
    )
    assert "accept-encoding" not in request.headers


@pytest.mark.parametrize(
    ("version", "agent"),
    [("10.3.1", '"openNDS(authmon;NDS:10.3.1;)"'), ("11.0.0beta", "openNDS(authmon;NDS:11.0.0beta;)")],
)
def test_a_level_4_view_is_a_get_with_raw_base64(version: str, agent: str) -> None:
    request = build_call(PORTAL, router(4, version), "view", "none")
    assert (request.method, request.headers["User-Agent"]) == ("GET", agent)
    assert request.url.raw_path.endswith(b"&payload=bm9uZQ==")


def test_the_empty_acknowledgement_is_one_star() -> None:
    assert build_call(PORTAL, router(), "view", "*").content.endswith(b"&payload=Kg%3D%3D")


def test_the_dossiers_deauthed_report() -> None:
    grant = Grant("g", "slug", "02:00:00:bb:00:50", "h", 1, 0, 0, 0, 0, "c2lkPThjMWY=", 1795360776)
    grant.bytes_incoming, grant.method = 6042, "timeout_deauth"
    assert deauthed_report(router(), grant, "f270d7c7", 1795360838) == (
        "method=timeout_deauth, clientmac=02:00:00:bb:00:50, bytes_incoming=6042, bytes_outgoing=0, "
        "session_start=1795360776, session_end=1795360838, token=f270d7c7, custom=c2lkPThjMWY%3d"
    )


def test_newer_versions_quote_and_add_and_the_old_one_counts_no_limited_upload() -> None:
    grant = Grant("g", "slug", "02:00:00:bb:00:50", "h", 1, 512, 0, 0, 0, "bmE=", 100, bytes_outgoing=5, method="idle_deauth")
    assert "bytes_outgoing=0" in deauthed_report(router(), grant, "t", 200)
    newest = deauthed_report(router(4, "11.0.0beta"), grant, "t", 200)
    assert newest.startswith('method="idle_deauth", ')
    assert newest.endswith(", timestamp=200")
    assert "bytes_outgoing=5" in newest

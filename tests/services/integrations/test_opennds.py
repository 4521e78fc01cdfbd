import base64
import hashlib
import re
from urllib.parse import parse_qs, unquote

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import example, given
from hypothesis import strategies as st

from services.integrations.opennds import (
    BadRouterCall,
    DeauthReport,
    ForgedRedirect,
    Redirect,
    UnsafeGrant,
    custom_for,
    decode_redirect,
    decode_with_keys,
    gateway_hash,
    grant_entry,
    grant_id_of,
    hid_of,
    parse_router_call,
    render_view,
    rhid,
)
from services.integrations.opennds.redirect import decrypt

HID = "0ad5680d7381100dae7c1e9427710579a677369e19a4f06a19db5235f7810a8c"
SHORT_KEY = "k3yForProbe0123"
LONG_KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
RHID = "b8e7f0d320fa9b121840ce51cf4a45a6e71d96d162e949d0e80d34f57d9a31b0"
NAME = "inet-3f9c2a7be1d04c58"
HASH = "2aacdcbd548b5a3d5f8a5de565d1f7c2ab2377531293c7d09d5b16f2e318733c"
IV = "0123456789abcdef"
FULL = (
    "VXI4cm55RlhuM3RZeW0rTEYzbkNleHljc3lzSlZoWVlxb2RKMGc2LzJkN0YyUXBMSTBKTGEyd01UaWRRczdvcUltY0xyRy85MVk4c2k3NkxiOVdmRGpMY1U1bUkv"
    "ZFhjRDdVYmxadU1BL0pwWUk1a3l5bUZxSXJScUhqNFJHbFVodE9EZHBZRUIzeG5TSlozZ3VSdmVRNVFmTzdmTlIyQXBwb1JRR0g1VXM3QWYxY0plbkZ3ZzhJSjlO"
    "S1pSUWk5dmYyZC9hSjRLK2h1NFJ3NmNGaDFXQzdCWnU4aXpnRHI4d0J0cGJLV0tDM3p1NmUyaFh3alRPWDZOOEJHVVVSRVZXSm4xcUU1TnBBRWlqbWxkaXJyM0Nq"
    "aWtQVXdEejFxOGpGK3FOa0JwTEUyOElHd2FQNS80QTZ3RkdGS2Jyc0swVjd5emtPTFU1dTYrRnpPS2IzZkVOQUFDQ1pOblRPZkt4VUFLb3Q4OUFBTUFnZGwvNkpI"
    "NjFqc3NmMkRNNGNJVGZIYTZmK2lXdngyZnZ6UzEreitvZVp0blVWK1IwV0pyMXltcUhrRG85ZFdSSzQvUHk0S1o1ZjE5UzcwUTlXQ2VpWno0d0MySnJqY2JIZ3Ro"
    "V0tVRXdoeEtGNHVxZFZoM0RjbGtlV2lKUUE2SjdTdTRYQmtDckU0SUdpRjdmYTVnR2pkNHJoTlNiejduUTUySVZQODBHOGhnTFYyUG8rSlNOWk9BZGIzdnIwPQ=="
)
PLAIN = (
    f"hid={HID}, clientip=10.204.0.50, clientmac=02:00:00:bb:00:50, client_type=cpd_can, "
    "gatewayname=INETprobe01%20Node%3a020000aa0001%20, gatewayurl=http%3a%2f%2fstatus.client, version=9.10.0, "
    "gatewayaddress=10.204.0.1:2050, gatewaymac=020000aa0001, authdir=opennds_auth, "
    "originurl=http%3a%2f%2f10.203.9.9%2fgenerate_204%3fx%3d1%26y%3da%20b%2cc%3dd, clientif=br-lan, themespec=(null), "
    "(null)(null)(null)(null)"
)
LEVEL4 = (
    "aGlkPTBhZDU2ODBkNzM4MTEwMGRhZTdjMWU5NDI3NzEwNTc5YTY3NzM2OWUxOWE0ZjA2YTE5ZGI1MjM1Zjc4MTBhOGMsIGNsaWVudGlwPTEwLjIwNC4wLjUw"
    "LCBjbGllbnRtYWM9MDI6MDA6MDA6YmI6MDA6NTA="
)


def encrypted(plain: str, key: str = LONG_KEY, iv: str = IV) -> dict[str, str]:
    """A level-3 query as a router makes it, written a second time here so that two mistakes would have to agree."""
    padder = padding.PKCS7(128).padder()
    padded = padder.update(plain.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key.encode()[:32].ljust(32, b"\0")), modes.CBC(iv.encode())).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    return {"fas": base64.b64encode(base64.b64encode(ciphertext)).decode(), "iv": iv}


def plain_for(**changes: str | None) -> str:
    fields = {"hid": HID, "clientip": "10.204.0.50", "clientmac": "02:00:00:bb:00:50", "gatewayname": NAME} | changes
    return ", ".join(f"{name}={value}" for name, value in fields.items() if value is not None)


def decode3(plain: str) -> Redirect:
    return decode_redirect(encrypted(plain), level=3, faskey=LONG_KEY, gateway_name=NAME)


def decode4(plain: str) -> Redirect:
    return decode_redirect({"fas": base64.b64encode(plain.encode()).decode()}, level=4, faskey=LONG_KEY, gateway_name=NAME)


# --- hashes


def test_the_dossiers_hashes():
    assert hid_of("f270d7c7") == HID
    assert rhid(HID, SHORT_KEY) == RHID
    assert rhid(HID, LONG_KEY) == "30ca0948cddc20bad7dfee706b10078af881a7a8ae9b649c57ee7d784282c492"
    assert gateway_hash("INETprobe01 Node:020000aa0001 ") == "87ca3735b87dddeef8e7add0f5dd2dc62efe0c2899884ce16d7e6cf158b29ac4"
    assert gateway_hash(NAME) == HASH


# --- redirect


@pytest.mark.parametrize(
    ("key", "fas"),
    [
        (SHORT_KEY, "Tk9PK3ZDS1VyWVgyTm9pcnplMnRWaUhKTDB5d0hnbmkzcXRGS3g4NDZlRT0="),
        (LONG_KEY, "U3U4NzQ1emNJTjcvUEgreFc5NnREQS91M2x3WTJCSjNTZHNLVlF4S2Rxaz0="),
    ],
)
def test_the_dossiers_short_ciphertexts(key, fas):
    assert decrypt({"fas": fas, "iv": IV}, faskey=key) == "hid=ab, clientip=10.0.0.2"
    with pytest.raises(ForgedRedirect):  # decrypts, but introduces nobody
        decode_redirect({"fas": fas, "iv": IV}, level=3, faskey=key, gateway_name=NAME)


def test_the_dossiers_full_redirect():
    assert hashlib.sha256(FULL.encode()).hexdigest() == "773ad781397e9a11fea2f03387844a0d648692b60904c141c08f4d61d54c06f1"
    query = {"fas": FULL, "iv": IV}
    assert decode_redirect(query, level=3, faskey=SHORT_KEY, gateway_name=NAME) == Redirect(
        hid=HID,
        client_ip="10.204.0.50",
        client_mac="02:00:00:bb:00:50",
        gateway_address="10.204.0.1:2050",
        client_type="cpd_can",
        origin_url="http://10.203.9.9/x",
        version="9.10.0",
        trusted_mac=True,
        gateway_mac="02:00:00:aa:00:01",
    )


def test_a_real_daemons_plain_text_with_suffixed_name():
    found = decode_redirect(encrypted(PLAIN), level=3, faskey=LONG_KEY, gateway_name="INETprobe01 Node:020000aa0001 ")
    assert (found.hid, found.client_mac, found.origin_url) == (HID, "02:00:00:bb:00:50", None)  # the origin has a space in it


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("020000aa0001", "02:00:00:aa:00:01"),
        ("02:00:00:AA:00:01", "02:00:00:aa:00:01"),
        ("020000aa000", None),
        ("020000aa000g", None),
        ("(null)", None),
    ],
)
def test_the_routers_own_mac_is_read_with_and_without_colons(sent, read):
    plain = PLAIN.replace("gatewaymac=020000aa0001", f"gatewaymac={sent}")
    found = decode_redirect(encrypted(plain), level=3, faskey=LONG_KEY, gateway_name="INETprobe01 Node:020000aa0001 ")
    assert found.gateway_mac == read


def test_of_several_keys_the_one_that_opens_is_told():
    query = {"fas": FULL, "iv": IV}
    for keys in ((SHORT_KEY, LONG_KEY), (LONG_KEY, SHORT_KEY), (SHORT_KEY,)):
        found, key = decode_with_keys(query, level=3, keys=keys, gateway_name=NAME)
        assert (found.hid, key) == (HID, SHORT_KEY)
    with pytest.raises(ForgedRedirect):
        decode_with_keys(query, level=3, keys=(LONG_KEY, "x" * 20), gateway_name=NAME)


def test_the_dossiers_level_4_redirect():
    found = decode_redirect({"fas": LEVEL4}, level=4, faskey=LONG_KEY, gateway_name=NAME)
    assert (found.hid, found.client_ip, found.client_mac) == (HID, "10.204.0.50", "02:00:00:bb:00:50")
    assert not found.trusted_mac
    assert found.gateway_address is found.client_type is found.origin_url is found.version is None


def test_level_4_survives_plus_signs_that_became_spaces_and_lost_padding():
    plain = plain_for(note="~~~???>>>") + ", ü=ÿþ"
    encoded = base64.b64encode(plain.encode()).decode()
    assert "+" in encoded
    broken = encoded.replace("+", " ").rstrip("=")
    assert decode_redirect({"fas": broken}, level=4, faskey=LONG_KEY, gateway_name=NAME).hid == HID


def test_unknown_fields_nulls_and_order_do_not_matter():
    plain = f"(null), cpi_query=(null), version=(null), custom=x y, gatewayname={NAME}, clientmac=02:00:00:BB:00:50, "
    plain += f"clientip=10.0.0.2, hid={HID}, "
    found = decode3(plain)
    assert (found.client_mac, found.client_ip, found.version) == ("02:00:00:bb:00:50", "10.0.0.2", None)


@pytest.mark.parametrize("decode", [decode3, decode4])
@pytest.mark.parametrize(
    "plain",
    [
        plain_for(hid=None),
        plain_for(hid="ab"),
        plain_for(hid=HID.upper()),
        plain_for(hid=HID + "\n"),
        plain_for(clientip=None),
        plain_for(clientip="10.0.0.256"),
        plain_for(clientip="fe80::1"),
        plain_for(clientip="١٠.0.0.2"),
        plain_for(clientmac=None),
        plain_for(clientmac="02:00:00:bb:00"),
        plain_for(clientmac="02:00:00:bb:00:50;reboot"),
        plain_for(clientmac="(null)"),
        plain_for(gatewayname="inet-another"),
        plain_for(gatewayname=""),
        plain_for() + f", hid={HID}",
        plain_for() + ", clientmac=02:00:00:00:00:01",
        "",
    ],
)
def test_anything_not_strictly_valid_is_forged(decode, plain):
    with pytest.raises(ForgedRedirect):
        decode(plain)


def test_level_3_demands_the_gateway_name():
    with pytest.raises(ForgedRedirect):
        decode3(plain_for(gatewayname=None))


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"fas": FULL},
        {"iv": IV},
        {"fas": FULL, "iv": "short"},
        {"fas": FULL, "iv": IV + "0"},
        {"fas": FULL, "iv": "0123456789abcdeg"},
        {"fas": FULL, "iv": "١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦"},
        {"fas": FULL[:-8], "iv": IV},
        {"fas": FULL[:100], "iv": IV},
        {"fas": FULL[4:], "iv": IV},
        {"fas": FULL.lower(), "iv": IV},
        {"fas": "A" * 20_000, "iv": IV},
        {"fas": "%%%", "iv": IV},
        {"fas": "", "iv": IV},
        {"fas": "\ud800", "iv": IV},
        {"fas": LEVEL4, "iv": IV},
    ],
)
def test_a_broken_level_3_query_is_forged(query):
    with pytest.raises(ForgedRedirect):
        decode_redirect(query, level=3, faskey=SHORT_KEY, gateway_name=NAME)


def test_another_routers_key_does_not_open_the_redirect():
    with pytest.raises(ForgedRedirect):
        decode_redirect({"fas": FULL, "iv": IV}, level=3, faskey=LONG_KEY, gateway_name=NAME)


def test_a_level_4_query_is_not_accepted_at_level_3_with_a_trusted_mac():
    with pytest.raises(ForgedRedirect):
        decode_redirect({"fas": base64.b64encode(plain_for().encode()).decode(), "iv": IV}, level=3, faskey=LONG_KEY, gateway_name=NAME)


@pytest.mark.parametrize(
    ("origin", "kept"),
    [
        ("http%3a%2f%2fexample.gm%2f", "http://example.gm/"),
        ("javascript%3aalert(1)", None),
        ("http%3a%2f%2fa%0d%0aSet-Cookie", None),
        ("(null)", None),
    ],
)
def test_only_plain_web_addresses_are_kept_as_origin(origin, kept):
    assert decode3(plain_for(originurl=origin)).origin_url == kept


def test_other_levels_are_a_programming_error():
    with pytest.raises(ValueError, match="level 2"):
        decode_redirect({}, level=2, faskey=LONG_KEY, gateway_name=NAME)


any_text = st.text(st.characters(exclude_categories=()), max_size=80)


@given(st.dictionaries(st.sampled_from(["fas", "iv", "status"]), any_text), st.sampled_from([3, 4]))
def test_decoding_only_ever_says_forged(query, level):
    with pytest.raises(ForgedRedirect):
        decode_redirect(query, level=level, faskey=LONG_KEY, gateway_name=NAME)


@given(st.binary(max_size=200), st.sampled_from([3, 4]))
def test_decoding_any_base64_only_ever_says_forged(raw, level):
    once = base64.b64encode(raw).decode()
    twice = base64.b64encode(once.encode()).decode()
    with pytest.raises(ForgedRedirect):
        decode_redirect({"fas": twice if level == 3 else once, "iv": IV}, level=level, faskey=LONG_KEY, gateway_name=NAME)


@given(st.text(max_size=200))
def test_any_well_encrypted_text_is_a_redirect_or_forged(plain):
    try:
        found = decode3(plain_for(note=plain))
    except ForgedRedirect:
        return
    assert (found.hid, found.client_mac) == (HID, "02:00:00:bb:00:50")


# --- router calls


def call(auth_get: str, text: str, sender: str = HASH):
    return parse_router_call({"auth_get": auth_get, "gatewayhash": sender, "payload": base64.b64encode(text.encode()).decode()})


def test_the_dossiers_polls():
    body = "auth_get=view&gatewayhash=2e0841ab7dccccd6616134dd6586c4d4b38b73674526bd4810d3116270661632&payload=bm9uZQ%3D%3D"
    form = {name: values[0] for name, values in parse_qs(body).items()}
    found = parse_router_call(form)
    assert (found.kind, found.gateway_hash, found.acked) == ("view", form["gatewayhash"], ())
    assert parse_router_call(form | {"payload": "Kg=="}).kind == "ack"
    assert parse_router_call(form | {"auth_get": "clear"}).kind == "clear"
    assert parse_router_call(form | {"auth_get": "list"}).kind == "list"
    raw = parse_qs("auth_get=view&payload=bm9uZQ==", keep_blank_values=True)  # level 4, not escaped
    assert parse_router_call({"auth_get": "view", "gatewayhash": HASH, "payload": raw["payload"][0]}).kind == "view"


def test_acknowledgements_are_split_on_any_space_and_cleaned():
    found = call("view", f"* {RHID} {HID}\n02:00:00:BB:00:50 10.204.0.50 $(reboot) {RHID} cut0ff")
    assert found.kind == "ack"
    assert found.acked == (RHID, HID, "02:00:00:bb:00:50", "10.204.0.50")


DEAUTHED = (
    "bWV0aG9kPXRpbWVvdXRfZGVhdXRoLCBjbGllbnRtYWM9MDI6MDA6MDA6YmI6MDA6NTAsIGJ5dGVzX2luY29taW5nPTYwNDIsIGJ5dGVzX291dGdvaW5nPTAs"
    "IHNlc3Npb25fc3RhcnQ9MTc5NTM2MDc3Niwgc2Vzc2lvbl9lbmQ9MTc5NTM2MDgzOCwgdG9rZW49ZjI3MGQ3YzcsIGN1c3RvbT1jMmxrUFRoak1XWSUzZA%3D%3D"
)


def test_the_dossiers_end_report_as_it_was_posted():
    form = {name: values[0] for name, values in parse_qs(f"auth_get=deauthed&gatewayhash={HASH}&payload={DEAUTHED}").items()}
    found = parse_router_call(form)
    assert found.report == DeauthReport("timeout_deauth", "02:00:00:bb:00:50", 6042, 0, 62, "f270d7c7", "c2lkPThjMWY=")
    assert hid_of(found.report.token) == HID
    twice = form | {"payload": base64.b64encode(form["payload"].encode()).decode()}
    assert parse_router_call(twice).report == found.report
    at_level_4 = form | {"payload": form["payload"].replace("+", " ").rstrip("=")}
    assert parse_router_call(at_level_4).report == found.report


def test_the_dossiers_second_end_report():
    found = call(
        "deauthed",
        "method=client_deauth, clientmac=02:00:00:bb:00:50, bytes_incoming=0, bytes_outgoing=0, session_start=1795360900, "
        "session_end=1795360903, token=f6201c03, custom=bWFj",
    )
    assert found.report == DeauthReport("client_deauth", "02:00:00:bb:00:50", 0, 0, 3, "f6201c03", "bWFj")


def test_quotes_extra_keys_and_placeholders_of_other_versions_are_understood():
    found = call(
        "deauthed",
        'method="download_quota_deauth", clientmac=02:00:00:BB:00:50, bytes_incoming="12", timestamp=1, session_start="9", '
        'session_end="5", token="zz", custom="bmE%3d"',
    )
    assert found.report == DeauthReport("download_quota_deauth", "02:00:00:bb:00:50", 12, 0, 0, None, None)


@pytest.mark.parametrize("custom", ["none", "bmE%3d", "a%20b", "$(x)", "%ff", ""])
def test_custom_texts_that_are_not_ours_are_dropped(custom):
    assert call("deauthed", f"method=idle_deauth, clientmac=02:00:00:bb:00:50, custom={custom}").report.custom is None


def test_a_custom_call_brings_its_text():
    assert call("custom", "hello, wörld").text == "hello, wörld"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"auth_get": "view"},
        {"auth_get": "view", "gatewayhash": HASH[:-1], "payload": "bm9uZQ=="},
        {"auth_get": "view", "gatewayhash": HASH, "payload": "!"},
        {"auth_get": "view", "gatewayhash": HASH, "payload": "/w=="},
        {"auth_get": "view", "gatewayhash": HASH, "payload": "eHg="},
        {"auth_get": "steal", "gatewayhash": HASH, "payload": "bm9uZQ=="},
        {"auth_get": "deauthed", "gatewayhash": HASH, "payload": "bm9uZQ=="},
        {"auth_get": "deauthed", "gatewayhash": HASH, "payload": base64.b64encode(b"method=, clientmac=x").decode()},
        {"auth_get": "custom", "gatewayhash": HASH, "payload": "A" * 20_000},
    ],
)
def test_other_calls_are_bad(form):
    with pytest.raises(BadRouterCall):
        parse_router_call(form)


@given(
    st.sampled_from(["clear", "view", "list", "deauthed", "custom", "x"]),
    st.one_of(
        any_text,
        st.binary().map(lambda raw: base64.b64encode(raw).decode()),
        st.text().map(lambda t: base64.b64encode(t.encode()).decode()),
    ),
    st.one_of(st.just(HASH), any_text),
)
@example("deauthed", base64.b64encode(b"method=a, clientmac=02:00:00:bb:00:50, bytes_incoming=" + b"9" * 5000).decode(), HASH)
def test_any_call_is_understood_or_bad(auth_get, payload, sender):
    try:
        found = parse_router_call({"auth_get": auth_get, "gatewayhash": sender, "payload": payload})
    except BadRouterCall:
        return
    assert found.gateway_hash == HASH
    assert (found.report is not None) == (found.kind == "deauthed")


# --- grants


def entry(**changes) -> str:
    fields = {"rhid_or_mac": RHID, "minutes": 60, "upload_kbps": 512, "download_kbps": 2048, "upload_kb": 0, "download_kb": 102400}
    return grant_entry(**(fields | {"custom": "Zz04YzFm"} | changes))


def test_the_dossiers_list():
    assert entry() == f"{RHID}%2060%20512%202048%200%20102400%20Zz04YzFm"
    assert render_view([entry()]) == f"* {RHID}%2060%20512%202048%200%20102400%20Zz04YzFm".encode()
    assert render_view([]) == b"*"


def test_a_grant_by_address_and_without_custom():
    made = entry(rhid_or_mac="02:00:00:bb:00:50", minutes=5, custom=None)
    assert unquote(made) == "02:00:00:bb:00:50 5 512 2048 0 102400"
    assert render_view([made, entry()]).startswith(b"* 02%3A00")


def test_the_grants_id_travels_in_the_custom_text():
    assert custom_for(0x8C1F) == "Zz04YzFm"
    assert grant_id_of("Zz04YzFm") == 0x8C1F
    for foreign in (None, "", "c2lkPThjMWY=", "bmE=", "none", "Zz0=", "ü", "Zz04YzFm\n", "Zz1nZw=="):
        assert grant_id_of(foreign) is None
    for wrong in (-1, 2**64):
        with pytest.raises(ValueError, match="range"):
            custom_for(wrong)


@given(st.integers(0, 2**64 - 1))
def test_every_grant_id_comes_back(grant_id):
    assert grant_id_of(custom_for(grant_id)) == grant_id
    assert render_view([entry(custom=custom_for(grant_id))] * 4)


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": 0},
        {"minutes": -1},
        {"minutes": 1.5},
        {"minutes": True},
        {"minutes": "60"},
        {"minutes": 2**31},
        {"upload_kbps": -1},
        {"download_kb": 2**31},
        {"download_kbps": "1;reboot"},
        {"upload_kb": None},
        {"rhid_or_mac": RHID[:-1]},
        {"rhid_or_mac": RHID.upper()},
        {"rhid_or_mac": RHID + "\n"},
        {"rhid_or_mac": "10.204.0.50"},
        {"rhid_or_mac": None},
        {"custom": "x;touch${IFS}/tmp/PWNED"},
        {"custom": "a b"},
        {"custom": "a,b"},
        {"custom": "a:b"},
        {"custom": ""},
        {"custom": "x" * 97},
        {"custom": "Zz04YzFm\n"},
        {"custom": "٣"},
        {"custom": 7},
    ],
)
def test_an_unsafe_grant_is_never_made(change):
    with pytest.raises(UnsafeGrant):
        entry(**change)


def test_an_answer_holds_four_entries_and_a_thousand_characters():
    assert render_view([entry()] * 4).count(b" ") == 4
    with pytest.raises(UnsafeGrant, match="more entries"):
        render_view([entry()] * 5)
    long = entry(custom="/" * 96)
    assert len(render_view([long])) <= 1000
    with pytest.raises(UnsafeGrant, match="longer"):
        render_view([long] * 4)


@pytest.mark.parametrize(
    "smuggled",
    [
        "",
        "*",
        RHID,
        f"{RHID} 60 0 0 0 0",
        f"{RHID}%2060%200%200%200",
        f"{RHID}%200%200%200%200%200",
        f"{RHID}%2060%200%200%200%200%20x%3Breboot",
        f"{RHID}%2060%200%200%200%200%20%2524(reboot)",
        f"{RHID}%2060%200%200%200%200%20a%0A",
        f"{RHID}%2060%200%200%200%200%20a%20b",
        f"{RHID}%2060%200%200%200%200%20%61",
        f"{RHID}%2060%200%200%200%200%20%c3%bc",
        f"{RHID}+60+0+0+0+0",
    ],
)
def test_a_smuggled_entry_stops_the_answer(smuggled):
    with pytest.raises(UnsafeGrant):
        render_view([entry(), smuggled])


LINE = re.compile(r"([0-9a-f]{64}|([0-9a-f]{2}:){5}[0-9a-f]{2}) [1-9][0-9]*( [0-9]+){4}( [A-Za-z0-9+/=._-]{1,96})?")


def assert_safe(answer: bytes) -> None:
    assert len(answer) <= 1000
    star, *entries = answer.decode("ascii").split(" ")
    assert star == "*"
    assert len(entries) <= 4
    for line in map(unquote, entries):
        assert re.fullmatch(r"[A-Za-z0-9+/=:._ -]+", line)
        assert LINE.fullmatch(line)
        assert len(line) <= 255


anything = st.one_of(st.integers(), st.text(), st.none(), st.booleans(), st.floats(), st.binary())
numbers = st.one_of(st.integers(0, 10**6), anything)


@given(
    st.one_of(st.just(RHID), st.text("0123456789abcdef:; $", max_size=70), anything),
    st.tuples(numbers, numbers, numbers, numbers, numbers),
    st.one_of(st.none(), st.text("abcXYZ019+/=._-", min_size=1, max_size=120), anything),
)
def test_no_byte_outside_the_whitelist_leaves_whatever_is_asked_for(who, sizes, custom):
    minutes, upload, download, upload_kb, download_kb = sizes
    try:
        made = grant_entry(
            rhid_or_mac=who,
            minutes=minutes,
            upload_kbps=upload,
            download_kbps=download,
            upload_kb=upload_kb,
            download_kb=download_kb,
            custom=custom,
        )
        answer = render_view([made])
    except UnsafeGrant:
        return
    assert_safe(answer)


@given(
    st.lists(
        st.one_of(st.text(max_size=60), st.text("0123456789abcdef%20;$x ", max_size=90), st.just(f"{RHID}%201%200%200%200%200")), max_size=6
    )
)
def test_no_byte_outside_the_whitelist_leaves_whatever_is_rendered(entries):
    try:
        answer = render_view(entries)
    except UnsafeGrant:
        return
    assert_safe(answer)

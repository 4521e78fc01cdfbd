"""The vectors of protocols/opennds.md §2 and §3.3, against the sandbox's own code."""

from __future__ import annotations

import hashlib

import pytest

from app.sandbox.routers.crypto import encode_query, encrypt_query, gateway_hash, hid_of, new_mac, rhid_of, url_encode

HID = "0ad5680d7381100dae7c1e9427710579a677369e19a4f06a19db5235f7810a8c"
SHORT_KEY = "k3yForProbe0123"
LONG_KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
IV = "0123456789abcdef"
FULL = (
    f"hid={HID}, clientip=10.204.0.50, clientmac=02:00:00:bb:00:50, client_type=cpd_can, "
    "gatewayname=inet-3f9c2a7be1d04c58, gatewayurl=http%3a%2f%2fstatus.client, version=9.10.0, "
    "gatewayaddress=10.204.0.1:2050, gatewaymac=020000aa0001, authdir=opennds_auth, "
    "originurl=http%3a%2f%2f10.203.9.9%2fx, clientif=br-lan, themespec=(null), (null)(null)(null)(null)"
)


def test_token_becomes_hid() -> None:
    assert hid_of("f270d7c7") == HID


@pytest.mark.parametrize(
    ("faskey", "rhid"),
    [
        (SHORT_KEY, "b8e7f0d320fa9b121840ce51cf4a45a6e71d96d162e949d0e80d34f57d9a31b0"),
        (LONG_KEY, "30ca0948cddc20bad7dfee706b10078af881a7a8ae9b649c57ee7d784282c492"),
    ],
)
def test_hid_and_the_whole_faskey_become_rhid(faskey: str, rhid: str) -> None:
    assert rhid_of(HID, faskey) == rhid


def test_a_gateway_name_is_encoded_in_lower_case_and_then_hashed() -> None:
    assert url_encode("INETprobe01 Node:020000aa0001 ") == "INETprobe01%20Node%3a020000aa0001%20"
    assert gateway_hash("INETprobe01 Node:020000aa0001 ") == "87ca3735b87dddeef8e7add0f5dd2dc62efe0c2899884ce16d7e6cf158b29ac4"
    assert gateway_hash("inet-3f9c2a7be1d04c58") == "2aacdcbd548b5a3d5f8a5de565d1f7c2ab2377531293c7d09d5b16f2e318733c"


def test_level_3_pads_a_short_key_and_cuts_a_long_one() -> None:
    plain = "hid=ab, clientip=10.0.0.2"
    assert encrypt_query(plain, SHORT_KEY, IV) == "Tk9PK3ZDS1VyWVgyTm9pcnplMnRWaUhKTDB5d0hnbmkzcXRGS3g4NDZlRT0="
    assert encrypt_query(plain, LONG_KEY, IV) == "U3U4NzQ1emNJTjcvUEgreFc5NnREQS91M2x3WTJCSjNTZHNLVlF4S2Rxaz0="


def test_level_3_full_query() -> None:
    fas = encrypt_query(FULL, SHORT_KEY, IV)
    assert len(fas) == 744
    assert hashlib.sha256(fas.encode()).hexdigest() == "773ad781397e9a11fea2f03387844a0d648692b60904c141c08f4d61d54c06f1"


def test_level_4_is_base64() -> None:
    assert encode_query(f"hid={HID}, clientip=10.204.0.50, clientmac=02:00:00:bb:00:50") == (
        "aGlkPTBhZDU2ODBkNzM4MTEwMGRhZTdjMWU5NDI3NzEwNTc5YTY3NzM2OWUxOWE0ZjA2YTE5ZGI1MjM1Zjc4MTBhOGMsIGNsaWVudGlwPTEwLjIwNC4w"
        "LjUwLCBjbGllbnRtYWM9MDI6MDA6MDA6YmI6MDA6NTA="
    )


def test_a_made_up_mac_is_locally_administered_and_not_multicast() -> None:
    assert {new_mac()[1] for _ in range(200)} <= set("26ae")

"""protocols/opennds.md §9: what is pasted into a router, line by line."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from services.access.errors import BadGateway
from services.access.gateway_keys import cancel_rotation, rotate_key
from services.access.gateways import add_gateway, faskey_of, keys_of
from services.access.models import Gateway
from services.access.router_config import PortalAddress, portal_address, router_snippet
from tests.conftest import NOON
from tests.factories import FASKEY, make_gateway, staff

PORTAL = PortalAddress("portal.example", 443, "203.0.113.7")
UCI = f"""\
config opennds
    option enabled '1'
    option fas_secure_enabled '3'
    option gatewayname 'inet-3f9c2a7be1d04c58'
    option enable_serial_number_suffix '0'
    option fasport '443'
    option faspath '/fas/airport-1'
    option fasremotefqdn 'portal.example'
    option fasremoteip '203.0.113.7'
    option faskey '{FASKEY}'
    option nat_traversal_poll_interval '5'
    option login_option_enabled '0'
    option allow_preemptive_authentication '1'
    list walledgarden_fqdn_list 'pay.wave.com'
    list walledgarden_fqdn_list 'api.wave.com'
    list walledgarden_port_list '443'
"""
FLAT = f"""\
GatewayInterface br-lan
fas_secure_enabled 3
gatewayname inet-3f9c2a7be1d04c58
enable_serial_number_suffix 0
fasport 443
faspath /fas/airport-1
fasremotefqdn portal.example
fasremoteip 203.0.113.7
faskey {FASKEY}
login_option_enabled 0
allow_preemptive_authentication 1
binauth /usr/lib/opennds/binauth_log.sh
walledgarden_fqdn_list pay.wave.com api.wave.com
walledgarden_port_list 443
"""


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return add_gateway(
        session, slug="airport-1", gateway_name="inet-3f9c2a7be1d04c58", faskey=FASKEY, level=3, site_name=None, poll_seconds=5, now=NOON
    )


def test_openwrt_gets_a_uci_section(gateway: Gateway) -> None:
    assert router_snippet(gateway, portal=PORTAL) == UCI


def test_debian_gets_a_flat_file_that_reports_ends_and_sets_no_poll_interval(gateway: Gateway) -> None:
    assert router_snippet(gateway, portal=PORTAL, system="debian") == FLAT


def test_level_4_is_not_written_for_debian(session: Session) -> None:
    with pytest.raises(BadGateway) as refused:
        router_snippet(make_gateway(session, level=4), portal=PORTAL, system="debian")
    assert refused.value.field == "format"


def test_an_address_that_is_not_known_is_left_for_a_person_and_does_not_stop_the_parser(gateway: Gateway) -> None:
    unknown = PortalAddress("portal.example", 443, None)
    assert "    # option fasremoteip '<the IPv4 address of portal.example>'\n" in router_snippet(gateway, portal=unknown)
    assert "# fasremoteip <the IPv4 address of portal.example>\n" in router_snippet(gateway, portal=unknown, system="debian")


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("https://192.0.2.7", "192.0.2.7", 443), ("http://127.0.0.1:8080", "127.0.0.1", 8080), ("http://192.0.2.7", "192.0.2.7", 80)],
)
def test_an_address_in_figures_is_its_own(url: str, host: str, port: int) -> None:
    assert portal_address(url) == PortalAddress(host, port, host)


def test_while_the_key_is_changed_the_settings_carry_the_new_one(session: Session, gateway: Gateway) -> None:
    rotate_key(session, actor=staff(), slug=gateway.slug, now=NOON)
    old, new = keys_of(gateway)
    assert old == FASKEY
    assert f"option faskey '{new}'" in router_snippet(gateway, portal=PORTAL)
    cancel_rotation(session, actor=staff(), slug=gateway.slug, now=NOON)
    assert f"option faskey '{faskey_of(gateway)}'" in router_snippet(gateway, portal=PORTAL)

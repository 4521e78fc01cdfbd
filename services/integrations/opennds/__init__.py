"""The openNDS dialect, as pure functions: nothing here does I/O (protocols dossier opennds.md)."""

from services.integrations.opennds.agent_wire import AgentReport, read_report
from services.integrations.opennds.grants import MAX_ENTRIES, UnsafeGrant, custom_for, grant_entry, grant_id_of, render_view
from services.integrations.opennds.hashes import gateway_hash, hid_of, is_hid, rhid
from services.integrations.opennds.redirect import ForgedRedirect, Redirect, decode_redirect, decode_with_keys
from services.integrations.opennds.router_call import BadRouterCall, DeauthReport, RouterCall, parse_router_call
from services.integrations.opennds.wire import mac_address

__all__ = [
    "MAX_ENTRIES",
    "AgentReport",
    "BadRouterCall",
    "DeauthReport",
    "ForgedRedirect",
    "Redirect",
    "RouterCall",
    "UnsafeGrant",
    "custom_for",
    "decode_redirect",
    "decode_with_keys",
    "gateway_hash",
    "grant_entry",
    "grant_id_of",
    "hid_of",
    "is_hid",
    "mac_address",
    "parse_router_call",
    "read_report",
    "render_view",
    "rhid",
]

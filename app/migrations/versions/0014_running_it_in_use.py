"""running it, in tables that are in use: alarms' kinds, correlation IDs, indexes of what is cleaned up"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app import expanding

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_CHECK = "ck_network_alarm_alarmkind"
_ALARMS_BEFORE = (
    "openwisp_unreachable",
    "openwisp_refused",
    "sudden_loss",
    "access_point_vanished",
    "gateway_silent",
    "two_pollers",
    "monitoring_absent",
    "low_stock",
)
_ALARMS = (
    *_ALARMS_BEFORE,
    "job_missed",
    "job_failing",
    "queue_old",
    "process_absent",
    "part_down",
    "errors_many",
    "backup_old",
    "disk_low",
)
# By which services/operations/retention finds what is older than it is kept: name, table, column, and which rows stand in it.
_CLEANED_UP_BY: tuple[tuple[str, str, str, str | None], ...] = (
    ("ix_outbound_call_started_at", "outbound_call", "started_at", None),
    ("ix_webhook_event_body", "webhook_event", "received_at", "body <> '{}'::jsonb"),
    ("ix_payment_device_known", "payment", "created_at", "client_mac IS NOT NULL OR client_hid IS NOT NULL"),
    ("ix_wave_movement_payer", "wave_movement", "day", "counterparty_mobile IS NOT NULL"),
    ("ix_access_grant_device_known", "access_grant", "created_at", "mac IS NOT NULL OR hid <> '-'"),
    ("ix_access_session_device_known", "access_session", "started_at", "mac IS NOT NULL"),
    ("ix_device_slot_device_known", "device_slot", "taken_at", "mac_hint IS NOT NULL"),
    ("ix_device_last_seen_at", "device", "last_seen_at", "last_mac IS NOT NULL"),
    ("ix_deauth_order_give_up_at", "deauth_order", "give_up_at", None),
    ("ix_incident_notice_told_at", "incident_notice", "told_at", None),
    ("ix_notification_words", "notification", "created_at", "body_sealed <> ''"),
    ("ix_delivery_report_at", "delivery_report", "at", None),
    ("ix_push_token_dropped_at", "push_token", "dropped_at", "dropped_at IS NOT NULL AND token_sealed <> ''"),
    ("ix_inbound_message_raw", "inbound_message", "received_at", "raw_sealed IS NOT NULL OR raw_file IS NOT NULL"),
    ("ix_inbound_message_raw_file", "inbound_message", "raw_file", "raw_file IS NOT NULL"),
    ("ix_draft_saved_at", "draft", "saved_at", None),
    ("ix_enrolment_expires_at", "enrolment", "expires_at", None),
    ("ix_api_token_expires_at", "api_token", "expires_at", "expires_at IS NOT NULL"),
    ("ix_api_token_revoked_at", "api_token", "revoked_at", "revoked_at IS NOT NULL"),
    ("ix_app_device_located_at", "app_device", "located_at", "located_at IS NOT NULL"),
)


def upgrade() -> None:
    """Only steps of app/expanding.py: each commits for itself and may be run twice."""
    expanding.add_check(_CHECK, "network_alarm", _is_one_of(_ALARMS))
    expanding.add_column("payment", sa.Column("correlation_id", sa.String(length=64), server_default="", nullable=False))
    expanding.add_column("webhook_event", sa.Column("correlation_id", sa.String(length=64), server_default="", nullable=False))
    for name, table, column, where in _CLEANED_UP_BY:
        expanding.create_index(name, table, [column], where=where)


def downgrade() -> None:
    for name, table, _, _ in reversed(_CLEANED_UP_BY):
        op.drop_index(name, table_name=table)
    op.drop_column("webhook_event", "correlation_id")
    op.drop_column("payment", "correlation_id")
    op.execute(f"DELETE FROM network_alarm WHERE NOT ({_is_one_of(_ALARMS_BEFORE)})")  # noqa: S608 - constants
    op.drop_constraint(op.f(_CHECK), "network_alarm", type_="check")
    op.create_check_constraint(op.f(_CHECK), "network_alarm", sa.text(_is_one_of(_ALARMS_BEFORE)))


def _is_one_of(kinds: tuple[str, ...]) -> str:
    return "kind IN (" + ", ".join(f"'{kind}'" for kind in kinds) + ")"

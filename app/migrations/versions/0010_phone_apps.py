"""the phone apps: who is logged in where, what each phone is still to be told, what it did offline, and work in the field"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# One row for each thing and each who may hear of it. The 64-bit transaction id is what a phone's snapshot is compared with.
# In plpgsql, which keeps its plans: a function in SQL is planned anew at every call.
_TOUCH = """
CREATE FUNCTION sync_touch(p_audience text, p_kind text, p_id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE mine bigint := pg_current_xact_id()::text::bigint;
BEGIN
    IF p_audience IS NULL OR p_id IS NULL THEN RETURN; END IF;
    -- One transaction changes a thing several times: from the second time on this is all.
    PERFORM FROM sync_change WHERE audience = p_audience AND kind = p_kind AND entity_id = p_id AND xid = mine;
    IF FOUND THEN RETURN; END IF;
    INSERT INTO sync_change (audience, kind, entity_id, xid, at) VALUES (p_audience, p_kind, p_id, mine, now())
    ON CONFLICT (audience, kind, entity_id) DO UPDATE SET xid = excluded.xid, at = excluded.at;
END $$
"""
# What belongs to one customer: told to whom it belonged as well, so that a phone lets go of what went to another person.
_OWN = """
CREATE FUNCTION sync_note_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('c:' || NEW.customer_id, TG_ARGV[0], NEW.id);
    IF TG_OP = 'UPDATE' AND OLD.customer_id IS DISTINCT FROM NEW.customer_id THEN
        PERFORM sync_touch('c:' || OLD.customer_id, TG_ARGV[0], OLD.id);
    END IF;
    RETURN NULL;
END $$
"""
# To its customer and to who looks after it. What was merged into a ticket stands as that one does, so it is told as well.
_TOUCH_TICKET = """
CREATE FUNCTION sync_touch_ticket(p_id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE it record;
BEGIN
    IF NOT EXISTS (SELECT FROM ticket WHERE merged_into_id = p_id) THEN
        SELECT customer_id, assignee_id INTO it FROM ticket WHERE id = p_id;
        PERFORM sync_touch('c:' || it.customer_id, 'ticket', p_id);
        PERFORM sync_touch('s:' || it.assignee_id, 'ticket', p_id);
        RETURN;
    END IF;
    PERFORM sync_touch('c:' || told.customer_id, 'ticket', told.id), sync_touch('s:' || told.assignee_id, 'ticket', told.id) FROM (
        WITH RECURSIVE stands AS (
            SELECT id, customer_id, assignee_id FROM ticket WHERE id = p_id
            UNION SELECT t.id, t.customer_id, t.assignee_id FROM ticket t JOIN stands ON t.merged_into_id = stands.id
        ) SELECT * FROM stands ORDER BY id
    ) AS told;
END $$
"""
_TICKET = """
CREATE FUNCTION sync_note_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Nothing was merged yet into one that is new.
    IF TG_OP = 'INSERT' THEN
        PERFORM sync_touch('c:' || NEW.customer_id, 'ticket', NEW.id);
        PERFORM sync_touch('s:' || NEW.assignee_id, 'ticket', NEW.id);
    ELSE
        PERFORM sync_touch_ticket(NEW.id);
        IF OLD.customer_id IS DISTINCT FROM NEW.customer_id THEN
            PERFORM sync_touch('c:' || OLD.customer_id, 'ticket', OLD.id);
            -- Words that moved to another ticket are shown there to their own customer alone.
            PERFORM sync_touch_ticket(holder.ticket_id) FROM (
                SELECT DISTINCT ticket_id FROM ticket_message WHERE said_in_id = NEW.id AND ticket_id <> NEW.id ORDER BY ticket_id
            ) AS holder;
        END IF;
        IF OLD.assignee_id IS DISTINCT FROM NEW.assignee_id THEN
            PERFORM sync_touch('s:' || OLD.assignee_id, 'ticket', OLD.id);
        END IF;
    END IF;
    RETURN NULL;
END $$
"""
# What is shown within a ticket.
_WITHIN_TICKET = """
CREATE FUNCTION sync_note_within_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM sync_touch_ticket(OLD.ticket_id); END IF;
    IF TG_OP = 'INSERT' THEN PERFORM sync_touch_ticket(NEW.ticket_id); END IF;
    IF TG_OP = 'UPDATE' AND OLD.ticket_id <> NEW.ticket_id THEN PERFORM sync_touch_ticket(NEW.ticket_id); END IF;
    RETURN NULL;
END $$
"""
# Whose name, number, place or router is shown with tickets: the column of `ticket` that refers to it.
_SHOWN_WITH_TICKETS = """
CREATE FUNCTION sync_note_shown_with_tickets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'SELECT count(sync_touch(audience, ''ticket'', id)) FROM (SELECT ''s:'' || assignee_id AS audience, id FROM ticket'
        ' WHERE %I = $1 AND assignee_id IS NOT NULL ORDER BY id) AS shown', TG_ARGV[0]
    ) USING NEW.id;
    RETURN NULL;
END $$
"""
# What is still to be looked at is shown with tickets that are not done.
_CHECKLIST = """
CREATE FUNCTION sync_note_checklist() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE changed text := CASE WHEN TG_OP = 'DELETE' THEN OLD.category ELSE NEW.category END;
BEGIN
    PERFORM sync_touch(shown.audience, 'ticket', shown.id) FROM (
        SELECT 's:' || assignee_id AS audience, id FROM ticket
        WHERE state IN ('new', 'open', 'pending', 'on_hold') AND assignee_id IS NOT NULL AND (changed = '*' OR category = changed)
        ORDER BY id
    ) AS shown;
    RETURN NULL;
END $$
"""
# The places on a package are shown with the access that they belong to.
_SLOT = """
CREATE FUNCTION sync_note_slot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('c:' || e.customer_id, 'access', e.id) FROM entitlement e WHERE e.id = NEW.entitlement_id;
    RETURN NULL;
END $$
"""
_SELF = """
CREATE FUNCTION sync_note_self() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch(TG_ARGV[0] || NEW.id, TG_ARGV[1], NEW.id);
    RETURN NULL;
END $$
"""
# What everybody of an audience hears of; further arguments are pairs of audience and kind.
_COMMON = """
CREATE FUNCTION sync_note_common() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch(TG_ARGV[0], TG_ARGV[1], NEW.id);
    IF TG_NARGS > 2 THEN
        PERFORM sync_touch(TG_ARGV[2], TG_ARGV[3], NEW.id);
    END IF;
    RETURN NULL;
END $$
"""
_PACKAGE_VERSION = """
CREATE FUNCTION sync_note_package_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('shop', 'package', NEW.package_id);
    RETURN NULL;
END $$
"""
# An outage is shown with its place, to customers too.
_INCIDENT = """
CREATE FUNCTION sync_note_incident() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('network', 'incident', NEW.id);
    PERFORM sync_touch('places', 'place', NEW.site_id);
    IF TG_OP = 'UPDATE' AND OLD.site_id IS DISTINCT FROM NEW.site_id THEN
        PERFORM sync_touch('places', 'place', OLD.site_id);
    END IF;
    RETURN NULL;
END $$
"""
# A gateway is shown with its place.
_GATEWAY = """
CREATE FUNCTION sync_note_gateway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('places', 'place', NEW.site_id);
    IF TG_OP = 'UPDATE' AND OLD.site_id IS DISTINCT FROM NEW.site_id THEN
        PERFORM sync_touch('places', 'place', OLD.site_id);
    END IF;
    RETURN NULL;
END $$
"""
# Where to pay is shown with the payment.
_CHECKOUT = """
CREATE FUNCTION sync_note_checkout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('c:' || p.customer_id, 'payment', p.id) FROM payment p WHERE p.id = NEW.payment_id;
    RETURN NULL;
END $$
"""
# A phone with the app on it is shown by the name that its owner gave it.
_APP_DEVICE = """
CREATE FUNCTION sync_note_app_device() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('c:' || NEW.customer_id, 'device', NEW.device_id);
    IF TG_OP = 'UPDATE' AND OLD.device_id IS DISTINCT FROM NEW.device_id THEN
        PERFORM sync_touch('c:' || OLD.customer_id, 'device', OLD.device_id);
    END IF;
    RETURN NULL;
END $$
"""
_TEAM = """
CREATE FUNCTION sync_note_team() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch('s:' || m.staff_id, 'profile', m.staff_id) FROM team_member m WHERE m.team_id = NEW.id ORDER BY m.staff_id;
    RETURN NULL;
END $$
"""
# Rows of which one statement writes thousands (a health poll, the end of a month): their owners are told once each.
_PARTS = """
CREATE FUNCTION sync_note_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'SELECT count(sync_touch(''network'', $1, owner)) FROM (SELECT DISTINCT %I AS owner FROM changed ORDER BY 1) AS owners', TG_ARGV[1]
    ) USING TG_ARGV[0];
    RETURN NULL;
END $$
"""
# A site that was merged into another is gone.
_GONE = """
CREATE FUNCTION sync_note_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sync_touch(TG_ARGV[0], TG_ARGV[1], OLD.id);
    IF TG_NARGS > 2 THEN PERFORM sync_touch(TG_ARGV[2], TG_ARGV[3], OLD.id); END IF;
    RETURN NULL;
END $$
"""
_DUTY = """
CREATE FUNCTION sync_note_duty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM sync_touch('s:' || OLD.staff_id, 'profile', OLD.staff_id); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM sync_touch('s:' || NEW.staff_id, 'profile', NEW.staff_id); END IF;
    RETURN NULL;
END $$
"""
# The history is only ever added to. Whoever deletes their account takes their words out of it: where a transaction is marked to do so
# (SET LOCAL), `data` may be rewritten, and nothing else.
_GUARD_HISTORY = """
CREATE FUNCTION guard_ticket_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('inet.forgetting', true) = 'on' AND to_jsonb(NEW) - 'data' = to_jsonb(OLD) - 'data' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""
_FUNCTIONS = {
    "sync_touch": _TOUCH,
    "sync_note_own": _OWN,
    "sync_touch_ticket": _TOUCH_TICKET,
    "sync_note_ticket": _TICKET,
    "sync_note_within_ticket": _WITHIN_TICKET,
    "sync_note_slot": _SLOT,
    "sync_note_self": _SELF,
    "sync_note_common": _COMMON,
    "sync_note_package_version": _PACKAGE_VERSION,
    "sync_note_incident": _INCIDENT,
    "sync_note_duty": _DUTY,
    "sync_note_shown_with_tickets": _SHOWN_WITH_TICKETS,
    "sync_note_checklist": _CHECKLIST,
    "sync_note_gateway": _GATEWAY,
    "sync_note_checkout": _CHECKOUT,
    "sync_note_app_device": _APP_DEVICE,
    "sync_note_team": _TEAM,
    "sync_note_parts": _PARTS,
    "sync_note_gone": _GONE,
}
# Name, table, the changes that count (none: a row is only ever added), and what notes them. Counters that routers send by the minute do
# not count: phones would be woken for them.
_TRIGGERS = (
    ("customer", "customer", "INSERT OR UPDATE OF phone_e164, name, language, erased_at", "sync_note_self('c:', 'profile')"),
    ("customer_shown", "customer", "UPDATE OF phone_e164, name, erased_at", "sync_note_shown_with_tickets('customer_id')"),
    ("payment", "payment", "INSERT OR UPDATE OF status, customer_id, reason, paid_at", "sync_note_own('payment')"),
    ("checkout", "checkout", "INSERT OR UPDATE OF payment_id, launch_url, expires_at, is_winner", "sync_note_checkout()"),
    ("voucher", "voucher", "INSERT OR UPDATE OF state, customer_id, use_before, used_at", "sync_note_own('voucher')"),
    (
        "entitlement",
        "entitlement",
        "INSERT OR UPDATE OF state, customer_id, seconds_total, quota_bytes, bytes_used, device_limit, use_before, started_at, ends_at,"
        " paused_at",
        "sync_note_own('access')",
    ),
    ("device_slot", "device_slot", "INSERT OR UPDATE", "sync_note_slot()"),
    (
        "access_session",
        "access_session",
        "INSERT OR UPDATE OF state, customer_id, entitlement_id, device_id, started_at, ends_at, ended_at, end_reason,"
        " bytes_down, bytes_up",
        "sync_note_own('session')",
    ),
    ("device", "device", "INSERT OR UPDATE OF customer_id, last_mac", "sync_note_own('device')"),
    ("app_device", "app_device", "INSERT OR UPDATE OF name, device_id, revoked_at", "sync_note_app_device()"),
    ("ticket", "ticket", "INSERT OR UPDATE", "sync_note_ticket()"),
    ("ticket_message", "ticket_message", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("attachment", "attachment", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("ticket_rating", "ticket_rating", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("visit", "visit", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("visit_check", "visit_check", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("part_used", "part_used", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("visit_confirmation", "visit_confirmation", "INSERT OR UPDATE OR DELETE", "sync_note_within_ticket()"),
    ("checklist", "checklist", "INSERT OR UPDATE OR DELETE", "sync_note_checklist()"),
    ("package", "package", "INSERT OR UPDATE", "sync_note_common('shop', 'package')"),
    ("package_version", "package_version", "INSERT", "sync_note_package_version()"),
    ("site", "site", "INSERT OR UPDATE", "sync_note_common('network', 'site', 'places', 'place')"),
    ("site_gone", "site", "DELETE", "sync_note_gone('network', 'site', 'places', 'place')"),
    ("site_shown", "site", "UPDATE OF name, address, latitude, longitude", "sync_note_shown_with_tickets('site_id')"),
    ("gateway", "gateway", "INSERT OR UPDATE OF name, site_id", "sync_note_gateway()"),
    ("gateway_shown", "gateway", "UPDATE OF name", "sync_note_shown_with_tickets('gateway_id')"),
    (
        "access_point",
        "access_point",
        "INSERT OR UPDATE OF name, mac, address, model, firmware, site_id, gateway_id, vanished_at, health, health_since",
        "sync_note_common('network', 'access_point')",
    ),
    ("incident", "incident", "INSERT OR UPDATE OF state, site_id, started_at, resolved_at, note", "sync_note_incident()"),
    ("staff", "staff", "INSERT OR UPDATE OF name, role, is_active, totp_confirmed_at", "sync_note_self('s:', 'profile')"),
    ("team_member", "team_member", "INSERT OR UPDATE OF is_on_duty OR DELETE", "sync_note_duty()"),
    ("team", "team", "UPDATE OF name", "sync_note_team()"),
)
# Table, the kind that is told of, and the column that says which.
_PARTS_OF = (("health_period", "access_point", "access_point_id"), ("incident_member", "incident", "incident_id"))
# What stood before there were apps counts as changed now.
_ALREADY_THERE = (
    "SELECT 'c:' || id, 'profile', id FROM customer",
    "SELECT 'c:' || customer_id, 'payment', id FROM payment WHERE customer_id IS NOT NULL",
    "SELECT 'c:' || customer_id, 'voucher', id FROM voucher WHERE customer_id IS NOT NULL",
    "SELECT 'c:' || customer_id, 'access', id FROM entitlement WHERE customer_id IS NOT NULL",
    "SELECT 'c:' || customer_id, 'session', id FROM access_session WHERE customer_id IS NOT NULL",
    "SELECT 'c:' || customer_id, 'device', id FROM device WHERE customer_id IS NOT NULL",
    "SELECT 'c:' || customer_id, 'ticket', id FROM ticket WHERE customer_id IS NOT NULL",
    "SELECT 's:' || assignee_id, 'ticket', id FROM ticket WHERE assignee_id IS NOT NULL",
    "SELECT 'shop', 'package', id FROM package",
    "SELECT 'network', 'site', id FROM site",
    "SELECT 'places', 'place', id FROM site",
    "SELECT 'network', 'access_point', id FROM access_point",
    "SELECT 'network', 'incident', id FROM incident",
    "SELECT 's:' || id, 'profile', id FROM staff",
)


def _begin_to_note_changes() -> None:
    op.execute("ALTER TABLE sync_change SET (fillfactor = 70)")  # every change of a thing rewrites its row
    for body in _FUNCTIONS.values():
        op.execute(body)
    for name, table, when, note in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {name}_noted AFTER {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {note}")
    for table, kind, column in _PARTS_OF:
        for change, rows in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            op.execute(
                f"CREATE TRIGGER {table}_{change.lower()}_noted AFTER {change} ON {table} REFERENCING {rows} TABLE AS changed"
                f" FOR EACH STATEMENT EXECUTE FUNCTION sync_note_parts('{kind}', '{column}')"
            )
    # A customer is told only of what the app shows of our words.
    op.execute(
        "CREATE TRIGGER notification_noted AFTER INSERT OR UPDATE OF read_at, customer_id ON notification FOR EACH ROW"
        " WHEN (NEW.medium = 'bell' AND NEW.customer_id IS NOT NULL) EXECUTE FUNCTION sync_note_own('notice')"
    )
    for standing in _ALREADY_THERE:
        found = f"({standing}) AS found (audience, kind, id)"
        noted = "SELECT audience, kind, id, pg_current_xact_id()::text::bigint, now() FROM"
        op.execute(f"INSERT INTO sync_change (audience, kind, entity_id, xid, at) {noted} {found}")
    op.execute(
        "INSERT INTO sync_epoch (id, epoch, system_identifier, began_at) SELECT 1, gen_random_uuid()::text, system_identifier, now()"
        " FROM pg_control_system()"
    )


def _stop_noting_changes() -> None:
    op.execute("DROP TRIGGER notification_noted ON notification")
    for table, _, _ in _PARTS_OF:
        for change in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER {table}_{change}_noted ON {table}")
    for name, table, _, _ in reversed(_TRIGGERS):
        op.execute(f"DROP TRIGGER {name}_noted ON {table}")
    for name in _FUNCTIONS:
        if name.startswith("sync_note_"):
            op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP FUNCTION sync_touch_ticket(bigint)")
    op.execute("DROP FUNCTION sync_touch(text, text, bigint)")


def _let_history_forget() -> None:
    op.execute("DROP TRIGGER ticket_event_append_only ON ticket_event")
    op.execute(_GUARD_HISTORY)
    _guard_history_with("guard_ticket_event")


def _let_history_forget_nothing() -> None:
    op.execute("DROP TRIGGER ticket_event_append_only ON ticket_event")
    op.execute("DROP FUNCTION guard_ticket_event()")
    _guard_history_with("refuse_change")


def _guard_history_with(function: str) -> None:
    op.execute(
        f"CREATE TRIGGER ticket_event_append_only BEFORE UPDATE OR DELETE ON ticket_event FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "checklist",
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column("items", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.String(length=254), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("category", name=op.f("pk_checklist")),
    )
    op.create_table(
        "sync_change",
        sa.Column("audience", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("audience", "kind", "entity_id", name=op.f("pk_sync_change")),
    )
    op.create_index("ix_sync_change_audience_xid", "sync_change", ["audience", "xid", "kind", "entity_id"], unique=False)
    op.create_table(
        "sync_epoch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.String(length=40), nullable=False),
        sa.Column("system_identifier", sa.String(length=40), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_sync_epoch_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_epoch")),
    )
    op.create_table(
        "phone_key",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("phone_e164", sa.String(length=16), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("log_in", "change_number", "delete_account", name="keypurpose", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("key_mac", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_phone_key_customer_id_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_key")),
    )
    op.create_index("ix_phone_key_created_at", "phone_key", ["created_at"], unique=False)
    op.create_index(
        "uq_phone_key_standing", "phone_key", ["phone_e164", "purpose"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "app_device",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("app", sa.Enum("go", "tech", name="app", native_enum=False, create_constraint=True, length=32), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("staff_epoch", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("app_version", sa.String(length=20), nullable=False),
        sa.Column("key_mac", sa.String(length=64), nullable=False),
        sa.Column("previous_key_mac", sa.String(length=64), nullable=True),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("key_seen", sa.Integer(), nullable=False),
        sa.Column("key_rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("located_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_why", sa.String(length=80), nullable=True),
        sa.CheckConstraint(
            "(app = 'go') = (customer_id IS NOT NULL) AND (app = 'tech') = (staff_id IS NOT NULL)", name=op.f("ck_app_device_of_one_person")
        ),
        sa.CheckConstraint("(staff_id IS NULL) = (staff_epoch IS NULL)", name=op.f("ck_app_device_staff_has_epoch")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_app_device_customer_id_customer")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_app_device_device_id_device")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_app_device_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_device")),
        sa.UniqueConstraint("key_mac", name=op.f("uq_app_device_key_mac")),
        sa.UniqueConstraint("previous_key_mac", name=op.f("uq_app_device_previous_key_mac")),
        sa.UniqueConstraint("public_id", name=op.f("uq_app_device_public_id")),
    )
    op.create_index(
        "ix_app_device_customer_id", "app_device", ["customer_id"], unique=False, postgresql_where=sa.text("revoked_at IS NULL")
    )
    op.create_index(op.f("ix_app_device_device_id"), "app_device", ["device_id"], unique=False)
    op.create_index("ix_app_device_staff_id", "app_device", ["staff_id"], unique=False, postgresql_where=sa.text("revoked_at IS NULL"))
    op.create_table(
        "app_mutation",
        sa.Column("app_device_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("applied", "conflict", "rejected", name="mutationoutcome", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("base_version", sa.String(length=80), nullable=True),
        sa.Column("before_version", sa.String(length=80), nullable=True),
        sa.Column("after_version", sa.String(length=80), nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["app_device_id"], ["app_device.id"], name=op.f("fk_app_mutation_app_device_id_app_device")),
        sa.PrimaryKeyConstraint("app_device_id", "client_id", name=op.f("pk_app_mutation")),
    )
    op.create_index("ix_app_mutation_entity", "app_mutation", ["app_device_id", "entity", "before_version"], unique=False)
    op.create_index("ix_app_mutation_received_at", "app_mutation", ["received_at"], unique=False)
    op.create_table(
        "enrolment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code_mac", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("app_device_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["app_device_id"], ["app_device.id"], name=op.f("fk_enrolment_app_device_id_app_device")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_enrolment_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment")),
        sa.UniqueConstraint("code_mac", name=op.f("uq_enrolment_code_mac")),
    )
    op.create_index("ix_enrolment_staff_id", "enrolment", ["staff_id", "id"], unique=False)
    op.create_table(
        "part_used",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("serial", sa.String(length=80), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000", name=op.f("ck_part_used_sane_quantity")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_part_used_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_part_used_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_part_used")),
    )
    op.create_index("ix_part_used_ticket_id", "part_used", ["ticket_id", "id"], unique=False)
    op.create_table(
        "visit",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "accepted",
                "on_the_way",
                "on_site",
                "done",
                "cannot",
                name="visitstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'cannot') = (reason IS NOT NULL)", name=op.f("ck_visit_cannot_has_a_reason")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_visit_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_visit_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
        sa.UniqueConstraint("ticket_id", "staff_id", name=op.f("uq_visit_ticket_id_staff_id")),
    )
    op.create_index("ix_visit_staff_id", "visit", ["staff_id", "since"], unique=False)
    op.create_table(
        "visit_check",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.String(length=40), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_visit_check_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_visit_check_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", "item", name=op.f("pk_visit_check")),
    )
    op.create_table(
        "visit_confirmation",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("comment", sa.String(length=500), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_visit_confirmation_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_visit_confirmation_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_visit_confirmation")),
    )
    op.create_table(
        "photo_upload",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("app_device_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("received_bytes", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("receiving", "held", "refused", name="uploadstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.Column("attachment_id", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'held') = (attachment_id IS NOT NULL)", name=op.f("ck_photo_upload_held_means_attached")),
        sa.CheckConstraint("received_bytes BETWEEN 0 AND size_bytes", name=op.f("ck_photo_upload_received_of_size")),
        sa.ForeignKeyConstraint(["app_device_id"], ["app_device.id"], name=op.f("fk_photo_upload_app_device_id_app_device")),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachment.id"], name=op.f("fk_photo_upload_attachment_id_attachment")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_photo_upload_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photo_upload")),
        sa.UniqueConstraint("app_device_id", "sha256", "ticket_id", name=op.f("uq_photo_upload_app_device_id_sha256_ticket_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_photo_upload_public_id")),
    )
    op.create_index("ix_photo_upload_stale", "photo_upload", ["touched_at"], unique=False, postgresql_where=sa.text("state = 'receiving'"))
    op.create_index(op.f("ix_photo_upload_ticket_id"), "photo_upload", ["ticket_id"], unique=False)
    op.add_column("contact_preference", sa.Column("staff_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "uq_contact_preference_staff",
        "contact_preference",
        ["staff_id", "medium"],
        unique=True,
        postgresql_where=sa.text("staff_id IS NOT NULL"),
    )
    op.create_foreign_key(op.f("fk_contact_preference_staff_id_staff"), "contact_preference", "staff", ["staff_id"], ["id"])
    op.add_column("customer", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_notification_customer_bell",
        "notification",
        ["customer_id", "id"],
        unique=False,
        postgresql_where=sa.text("medium = 'bell' AND customer_id IS NOT NULL"),
    )
    op.add_column("push_token", sa.Column("app_device_id", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_push_token_app_device_id"), "push_token", ["app_device_id"], unique=False)
    op.create_foreign_key(op.f("fk_push_token_app_device_id_app_device"), "push_token", "app_device", ["app_device_id"], ["id"])
    op.drop_constraint(op.f("ck_contact_preference_of_one_person"), "contact_preference", type_="check")
    op.create_check_constraint(
        op.f("ck_contact_preference_of_one_person"), "contact_preference", "num_nonnulls(customer_id, staff_id, address_mac) = 1"
    )
    op.create_index(
        "ix_ticket_message_said_in_id",
        "ticket_message",
        ["said_in_id"],
        unique=False,
        postgresql_where=sa.text("said_in_id IS NOT NULL"),
    )
    _begin_to_note_changes()
    _let_history_forget()


def downgrade() -> None:
    _let_history_forget_nothing()
    _stop_noting_changes()
    op.drop_index("ix_ticket_message_said_in_id", table_name="ticket_message", postgresql_where=sa.text("said_in_id IS NOT NULL"))
    op.drop_constraint(op.f("ck_contact_preference_of_one_person"), "contact_preference", type_="check")
    op.execute("DELETE FROM contact_preference WHERE staff_id IS NOT NULL")
    op.create_check_constraint(
        op.f("ck_contact_preference_of_one_person"), "contact_preference", "(customer_id IS NULL) <> (address_mac IS NULL)"
    )
    op.drop_constraint(op.f("fk_push_token_app_device_id_app_device"), "push_token", type_="foreignkey")
    op.drop_index(op.f("ix_push_token_app_device_id"), table_name="push_token")
    op.drop_column("push_token", "app_device_id")
    op.drop_index(
        "ix_notification_customer_bell", table_name="notification", postgresql_where=sa.text("medium = 'bell' AND customer_id IS NOT NULL")
    )
    op.drop_column("customer", "erased_at")
    op.drop_constraint(op.f("fk_contact_preference_staff_id_staff"), "contact_preference", type_="foreignkey")
    op.drop_index("uq_contact_preference_staff", table_name="contact_preference", postgresql_where=sa.text("staff_id IS NOT NULL"))
    op.drop_column("contact_preference", "staff_id")
    op.drop_index(op.f("ix_photo_upload_ticket_id"), table_name="photo_upload")
    op.drop_index("ix_photo_upload_stale", table_name="photo_upload", postgresql_where=sa.text("state = 'receiving'"))
    op.drop_table("photo_upload")
    op.drop_table("visit_confirmation")
    op.drop_table("visit_check")
    op.drop_index("ix_visit_staff_id", table_name="visit")
    op.drop_table("visit")
    op.drop_index("ix_part_used_ticket_id", table_name="part_used")
    op.drop_table("part_used")
    op.drop_index("ix_enrolment_staff_id", table_name="enrolment")
    op.drop_table("enrolment")
    op.drop_index("ix_app_mutation_received_at", table_name="app_mutation")
    op.drop_index("ix_app_mutation_entity", table_name="app_mutation")
    op.drop_table("app_mutation")
    op.drop_index("ix_app_device_staff_id", table_name="app_device", postgresql_where=sa.text("revoked_at IS NULL"))
    op.drop_index(op.f("ix_app_device_device_id"), table_name="app_device")
    op.drop_index("ix_app_device_customer_id", table_name="app_device", postgresql_where=sa.text("revoked_at IS NULL"))
    op.drop_table("app_device")
    op.drop_index("uq_phone_key_standing", table_name="phone_key", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_phone_key_created_at", table_name="phone_key")
    op.drop_table("phone_key")
    op.drop_table("sync_epoch")
    op.drop_index("ix_sync_change_audience_xid", table_name="sync_change")
    op.drop_table("sync_change")
    op.drop_table("checklist")

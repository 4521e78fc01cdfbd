"""What a customer's own data says of their phones, purchases and time online."""

from __future__ import annotations

from typing import Any

from sqlmodel import col

from services.access.models import AccessSession, DeviceSlot, Entitlement, Gateway
from services.access.outage_models import Compensation, IncidentNotice, OutagePause
from services.accounts.models import Device
from services.apps.models import AppDevice, AppMutation, PhoneKey, PhotoUpload
from services.apps.own_data_shape import Part, bought, columns, package, part, phones, time
from services.network.incident_models import Incident
from services.network.models import Site
from services.notifications.models import PushToken
from services.packages.models import PackageVersion
from services.payments.models import Payment, PaymentEvent, Refund
from services.vouchers import codes
from services.vouchers.models import Voucher


def _voucher(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "code_ends_with": codes.unseal_code(row.pop("code_sealed"))[-4:]}


_NAME: Any = col(PackageVersion.name).label("package")
_SEEN = ("created_at", "last_seen_at")
PARTS: tuple[Part, ...] = (
    part(
        "phones_with_the_app",
        AppDevice,
        [
            *columns(AppDevice, "id", "name", "platform", "app_version", *_SEEN),
            *columns(AppDevice, "latitude", "longitude", "located_at", "skew_ms", "revoked_at", "revoked_why"),
        ],
        lambda customer: col(AppDevice.customer_id) == customer.id,
    ),
    part(
        "push_tokens",
        PushToken,
        columns(PushToken, "app_device_id", "created_at", "dropped_at", "why"),
        lambda customer: col(PushToken.customer_id) == customer.id,
    ),
    part(
        "done_in_the_app",
        AppMutation,
        columns(AppMutation, "app_device_id", "type", "entity", "outcome", "happened_at", "received_at"),
        lambda customer: col(AppMutation.app_device_id).in_(phones(customer)),
    ),
    part(
        "photos_sent_by_the_app",
        PhotoUpload,
        columns(PhotoUpload, "name", "size_bytes", "sha256", "state", "why", "taken_at", "latitude", "longitude", "created_at"),
        lambda customer: col(PhotoUpload.app_device_id).in_(phones(customer)),
    ),
    part(
        "keys_sent_by_sms",
        PhoneKey,
        columns(PhoneKey, "purpose", "created_at", "ended_at", "tries"),
        lambda customer: (col(PhoneKey.phone_e164) == customer.phone_e164) | (col(PhoneKey.customer_id) == customer.id),
    ),
    part("devices", Device, columns(Device, "id", "last_mac", *_SEEN), lambda customer: col(Device.customer_id) == customer.id),
    part(
        "payments",
        Payment,
        [
            *columns(Payment, "reference", "status", "reason", "amount_bututs", "currency", "wave_transaction_id", "client_mac"),
            *[_NAME, col(Gateway.name).label("hotspot")],
            *columns(Payment, "device_id", "created_at", "paid_at", "served_at"),
        ],
        lambda customer: col(Payment.customer_id) == customer.id,
        joined=lambda query: package(query, Payment).outerjoin(Gateway, col(Gateway.id) == col(Payment.gateway_id)),
    ),
    part(
        "steps_of_payments",
        PaymentEvent,
        [col(Payment.reference), *columns(PaymentEvent, "sequence", "kind", "status", "amount_bututs", "at")],
        lambda customer: col(PaymentEvent.payment_id).in_(bought(customer)),
        joined=lambda query: query.join(Payment, col(Payment.id) == col(PaymentEvent.payment_id)),
    ),
    part(
        "refunds",
        Refund,
        [col(Payment.reference), *columns(Refund, "amount_bututs", "reason", "state", "created_at", "settled_at")],
        lambda customer: col(Refund.payment_id).in_(bought(customer)),
        joined=lambda query: query.join(Payment, col(Payment.id) == col(Refund.payment_id)),
    ),
    part(
        "vouchers",
        Voucher,
        [*columns(Voucher, "id"), _NAME, *columns(Voucher, "state", "code_sealed", "created_at", "use_before", "used_at")],
        lambda customer: col(Voucher.customer_id) == customer.id,
        joined=lambda query: package(query, Voucher),
        shown=_voucher,
    ),
    part(
        "time",
        Entitlement,
        [
            *[col(Entitlement.id), _NAME],
            *columns(Entitlement, "voucher_id", "state", "seconds_total", "quota_bytes", "bytes_used", "device_limit"),
            *columns(Entitlement, "created_at", "use_before", "started_at", "ends_at", "paused_at"),
        ],
        lambda customer: col(Entitlement.customer_id) == customer.id,
        joined=lambda query: package(query, Entitlement),
    ),
    part(
        "devices_on_time",
        DeviceSlot,
        columns(DeviceSlot, "entitlement_id", "number", "device_id", "mac_hint", "taken_at", "released_at"),
        lambda customer: col(DeviceSlot.entitlement_id).in_(time(customer)),
    ),
    part(
        "outages_of_time",
        OutagePause,
        columns(OutagePause, "entitlement_id", "started_at", "ended_at", "end_reason"),
        lambda customer: col(OutagePause.entitlement_id).in_(time(customer)),
    ),
    part(
        "time_given_back",
        Compensation,
        columns(Compensation, "entitlement_id", "lost_from", "lost_until", "seconds", "created_at"),
        lambda customer: col(Compensation.customer_id) == customer.id,
    ),
    part(
        "told_of_outages",
        IncidentNotice,
        [col(Incident.reference), *columns(IncidentNotice, "told_at")],
        lambda customer: col(IncidentNotice.customer_id) == customer.id,
        joined=lambda query: query.join(Incident, col(Incident.id) == col(IncidentNotice.incident_id)),
    ),
    part(
        "sessions",
        AccessSession,
        [
            *[col(Gateway.name).label("hotspot"), col(Site.name).label("place")],
            *columns(AccessSession, "entitlement_id", "device_id", "mac", "started_at", "ends_at", "ended_at", "end_reason"),
            *columns(AccessSession, "bytes_down", "bytes_up", "live_bytes_down", "live_bytes_up"),
        ],
        lambda customer: col(AccessSession.customer_id) == customer.id,
        joined=lambda query: query.join(Gateway, col(Gateway.id) == col(AccessSession.gateway_id)).outerjoin(
            Site, col(Site.id) == col(Gateway.site_id)
        ),
    ),
)

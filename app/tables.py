"""Every table, imported once so that migrations and relations know them all."""

from __future__ import annotations

from sqlmodel import SQLModel

import services.access.models
import services.access.outage_models
import services.accounts.models
import services.apps.models
import services.audit.models
import services.console.bulk.models
import services.console.models
import services.fieldwork.models
import services.network.alarm_models
import services.network.incident_models
import services.network.models
import services.notifications.models
import services.operations.backup_models
import services.operations.error_models
import services.operations.models
import services.packages.models
import services.packages.promo_models
import services.payments.clearing.models
import services.payments.models
import services.payments.reconciliation.models
import services.tickets.closure_models
import services.tickets.desk_models
import services.tickets.intake_models
import services.tickets.models
import services.tickets.sla_models
import services.tickets.work_models
import services.vouchers.batch_models
import services.vouchers.models  # noqa: F401

metadata = SQLModel.metadata

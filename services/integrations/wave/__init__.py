"""Wave Business API (protocols dossier wave.md): checkout sessions, transactions and webhooks."""

from services.integrations.wave.client import WaveClient
from services.integrations.wave.values import WaveSession, WaveTransaction, from_wave_amount, to_wave_amount
from services.integrations.wave.webhook import WaveEvent, WebhookRefused, parse_event, sign, verify_webhook

__all__ = [
    "WaveClient",
    "WaveEvent",
    "WaveSession",
    "WaveTransaction",
    "WebhookRefused",
    "from_wave_amount",
    "parse_event",
    "sign",
    "to_wave_amount",
    "verify_webhook",
]

"""PortaBilling (protocols dossier portabilling.md): one mapping, two wires. SOAP is the default, JSON the second opinion."""

from services.integrations.portabilling.billing import RestPortaBilling, SoapPortaBilling
from services.integrations.portabilling.mapping import Operation, PortaAccount, PortaPage, PortaXdr, Vocabulary
from services.integrations.portabilling.protocol import PortaBilling
from services.integrations.portabilling.wire import DuplicateAccount, LoginRefused

__all__ = [
    "DuplicateAccount",
    "LoginRefused",
    "Operation",
    "PortaAccount",
    "PortaBilling",
    "PortaPage",
    "PortaXdr",
    "RestPortaBilling",
    "SoapPortaBilling",
    "Vocabulary",
]

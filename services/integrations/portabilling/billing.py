"""PortaBilling's two implementations, put together from a wire and the operations on top of it."""

import time
from collections.abc import Callable
from pathlib import Path

from app.outbound import CircuitBreaker
from services.integrations.portabilling.mapping import Vocabulary
from services.integrations.portabilling.over_wire import OverWire
from services.integrations.portabilling.rest import RestWire
from services.integrations.portabilling.soap import SoapWire

DEBIT_ACCOUNT = -1


class SoapPortaBilling(OverWire):
    """PortaBilling over SOAP. Nothing is fetched before the first call; WSDL copies are kept in `cache_dir`.

    `soap_address` overrides the address in the WSDL, for hosts that name themselves by an address we cannot reach.
    """

    def __init__(
        self,
        base_url: str,
        *,
        user: str,
        password: str | None = None,
        token: str | None = None,
        cache_dir: Path,
        timeout_seconds: float = 10.0,
        ca_file: str | None = None,
        soap_address: str | None = None,
        billing_model: int = DEBIT_ACCOUNT,
        names: Vocabulary | None = None,
        breaker: CircuitBreaker | None = None,
        read_attempts: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = names or Vocabulary()
        wire = SoapWire(
            base_url,
            timeout_seconds=timeout_seconds,
            ca_file=ca_file,
            cache_dir=cache_dir,
            namespace=names.soap_namespace,
            soap_address=soap_address,
        )
        super().__init__(
            wire,
            user=user,
            password=password,
            token=token,
            names=names,
            billing_model=billing_model,
            breaker=breaker,
            read_attempts=read_attempts,
            timeout_seconds=timeout_seconds,
            clock=clock,
        )


class RestPortaBilling(OverWire):
    """PortaBilling over JSON: the same mapping and no WSDL. `cache_dir` is taken so that one setting can switch the wires."""

    def __init__(
        self,
        base_url: str,
        *,
        user: str,
        password: str | None = None,
        token: str | None = None,
        cache_dir: Path | None = None,
        timeout_seconds: float = 10.0,
        ca_file: str | None = None,
        billing_model: int = DEBIT_ACCOUNT,
        names: Vocabulary | None = None,
        breaker: CircuitBreaker | None = None,
        read_attempts: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            RestWire(base_url, timeout_seconds=timeout_seconds, ca_file=ca_file),
            user=user,
            password=password,
            token=token,
            names=names or Vocabulary(),
            billing_model=billing_model,
            breaker=breaker,
            read_attempts=read_attempts,
            timeout_seconds=timeout_seconds,
            clock=clock,
        )

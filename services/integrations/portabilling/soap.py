"""PortaBilling over SOAP 1.1 with zeep (portabilling.md §2, §6)."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import zeep
import zeep.exceptions
import zeep.helpers
from lxml import etree

from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.integrations.errors import requests_outcomes, retry_after_seconds
from services.integrations.portabilling.mapping import Operation
from services.integrations.portabilling.transport import BoundedTransport, Reply, strict_xml
from services.integrations.portabilling.wire import SERVICE, PortaLogin, fault_error

_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"


@dataclass(frozen=True)
class _Port:
    client: Any
    service: Any
    binding: Any


class SoapWire:
    """One compiled zeep client per service, built at first use and shared by all threads: compiling a WSDL is the slow part."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        ca_file: str | None,
        cache_dir: Path,
        namespace: str,
        soap_address: str | None,
    ) -> None:
        self._base_url, self._namespace, self._soap_address = base_url.rstrip("/"), namespace, soap_address
        addresses = [base_url, soap_address] if soap_address else [base_url]
        self._transport = BoundedTransport(addresses=addresses, timeout_seconds=timeout_seconds, ca_file=ca_file, cache_dir=cache_dir)
        # strict=False: a release upgrade adds fields. raw_response: the reply is judged here before zeep interprets it.
        self._settings = zeep.Settings(strict=False, xml_huge_tree=False, raw_response=True)
        self._ports: dict[str, _Port] = {}
        self._lock = threading.Lock()
        self._load_failures = 0

    def call(self, operation: Operation, params: Mapping[str, Any], login: PortaLogin | None) -> Any:
        port = self._port(operation)
        headers = [self._auth_info(login)] if login else None
        with requests_outcomes(SERVICE, operation.method):
            reply = _send(port, operation, params, headers)
        answer = _answer_element(operation, reply)
        try:
            result = port.binding.process_reply(port.client, port.binding.get(operation.method), reply)
        except zeep.exceptions.Fault as fault:
            raise fault_error(operation, fault.code, fault.message, reply.status_code, params) from None
        except Exception as error:
            # The call has been made; whatever zeep trips over in the answer leaves its outcome unknown.
            raise OutcomeUnknown(SERVICE, operation.method, f"unreadable answer ({type(error).__name__})") from None
        plain = _plain(zeep.helpers.serialize_object(result, dict))  # type: ignore[no-untyped-call]
        if operation.result and _is_empty(plain) and any((node.text or "").strip() for node in answer.iter(etree.Element)):
            # An empty answer means "no such account"; one that zeep merely failed to recognise must not.
            raise OutcomeUnknown(SERVICE, operation.method, "unreadable answer (unknown elements)")
        return plain

    def prepare(self, operation: Operation) -> None:
        self._port(operation)

    def close(self) -> None:
        self._transport.session.close()

    def _auth_info(self, login: PortaLogin) -> Any:
        # An element rather than zeep's dict: works whether or not the operator's WSDL declares the header.
        element = etree.Element(f"{{{self._namespace}}}auth_info", nsmap={"p": self._namespace})
        name, value = ("session_id", login.session_id) if login.session_id else ("access_token", login.access_token)
        etree.SubElement(element, name).text = value
        return element

    def _port(self, operation: Operation) -> _Port:
        port = self._ports.get(operation.service)
        if port:
            return port
        failures_seen = self._load_failures
        with self._lock:
            port = self._ports.get(operation.service)
            if port:
                return port
            if self._load_failures != failures_seen:
                # The thread we waited for found nobody; a queue of threads finding that out in turn would take minutes.
                raise Unavailable(SERVICE, operation.method, "WSDL not available")
            try:
                port = self._ports[operation.service] = self._load(operation.service)
            except Exception as error:
                # Whatever is wrong with the WSDL or its host: nothing has been asked of PortaBilling yet.
                self._load_failures += 1
                raise Unavailable(SERVICE, operation.method, f"WSDL not available ({type(error).__name__})") from None
            return port

    def _load(self, service: str) -> _Port:
        url = f"{self._base_url}/wsdl/{service}AdminService.wsdl"
        try:
            return self._compile(url)
        except requests.RequestException:
            raise
        except Exception:
            # Whatever zeep makes of it: a copy on disk may be well-formed and still useless; the host's own word decides.
            self._transport.trust_cache = False
            try:
                return self._compile(url)
            finally:
                self._transport.trust_cache = True

    def _compile(self, url: str) -> _Port:
        client: Any = zeep.Client(url, transport=self._transport, settings=self._settings)  # type: ignore[no-untyped-call]
        binding = next(iter(next(iter(client.wsdl.services.values())).ports.values())).binding
        service = client.create_service(binding.name, self._soap_address) if self._soap_address else client.service
        return _Port(client, service, binding)


def _send(port: _Port, operation: Operation, params: Mapping[str, Any], headers: list[Any] | None) -> Reply:
    try:
        reply: Reply = port.service[operation.method](**params, _soapheaders=headers)
    except (zeep.exceptions.Error, AttributeError, TypeError) as error:
        # zeep could not put the request into words: this WSDL has no such method or field.
        raise Refused(SERVICE, operation.method, "wsdl_mismatch", type(error).__name__) from None
    return reply


def _answer_element(operation: Operation, reply: Reply) -> Any:
    """The element inside the SOAP body of a reply that is complete and really SOAP, whatever its HTTP status."""
    if reply.status_code == 429:
        wait = retry_after_seconds(reply.headers)
        raise Unavailable(SERVICE, operation.method, "too many requests (HTTP 429)", wait)
    try:
        root = strict_xml(reply.content)
    except ValueError:
        raise OutcomeUnknown(SERVICE, operation.method, f"no SOAP answer (HTTP {reply.status_code})") from None
    body = root.find(f"{_ENVELOPE}Body") if root.tag == f"{_ENVELOPE}Envelope" else None
    first = next(body.iterchildren(etree.Element), None) if body is not None else None
    is_fault = first is not None and first.tag == f"{_ENVELOPE}Fault"
    if first is None or (reply.status_code != 200 and not is_fault):
        raise OutcomeUnknown(SERVICE, operation.method, f"no SOAP answer (HTTP {reply.status_code})")
    return first


def _plain(value: Any) -> Any:
    """zeep's answer without its own additions: the elements it did not know, and the wrapping that a declared header brings."""
    if isinstance(value, list):
        return [_plain(row) for row in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"header", "body"}:
        return _plain(value["body"])
    return {name: _plain(inner) for name, inner in value.items() if name != "_raw_elements"}


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_empty(inner) for inner in value.values())
    return value is None or value == []

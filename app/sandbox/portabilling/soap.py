"""SOAP 1.1, document/literal, deaf to namespaces as the real server seems to be (protocols/portabilling.md §2, §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, register_namespace, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.sandbox.portabilling.models import Fault
from app.sandbox.portabilling.wsdl import NAMESPACE

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
register_namespace("soap", ENVELOPE)
register_namespace("p", NAMESPACE)


@dataclass(frozen=True)
class SoapCall:
    """What a request asks for."""

    method: str
    params: dict[str, Any]
    auth_info: dict[str, Any] | None


def read_envelope(body: bytes) -> SoapCall:
    """Parse a request; a DTD or an entity is refused. Raises Fault for what is not a SOAP call."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise Fault("Client", "The request is not well-formed XML, or holds a DTD") from None
    header, content = _child(root, "Header"), _child(root, "Body")
    call = next(iter(content), None) if content is not None else None
    if _local(root) != "Envelope" or call is None:
        raise Fault("Client", "The request is not a SOAP envelope with a call")
    auth = _child(header, "auth_info") if header is not None else None
    params = _value(call)
    return SoapCall(_local(call), params if isinstance(params, dict) else {}, _as_dict(auth))


def answer_envelope(method: str, result: dict[str, Any]) -> bytes:
    """The answer to a call; an empty result is an empty element."""
    answer = Element(f"{{{NAMESPACE}}}{method}Response")
    _fill(answer, result)
    return _wrapped(answer)


def fault_envelope(fault: Fault) -> bytes:
    """A SOAP fault."""
    element = Element(f"{{{ENVELOPE}}}Fault")
    SubElement(element, "faultcode").text = fault.code
    SubElement(element, "faultstring").text = fault.text
    return _wrapped(element)


def _wrapped(content: Element) -> bytes:
    envelope = Element(f"{{{ENVELOPE}}}Envelope")
    SubElement(envelope, f"{{{ENVELOPE}}}Body").append(content)
    return bytes(tostring(envelope, encoding="utf-8", xml_declaration=True))


def _fill(parent: Element, values: dict[str, Any]) -> None:
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue  # PortaBilling leaves out what it does not know
            child = SubElement(parent, name)
            if isinstance(item, dict):
                _fill(child, item)
            else:
                child.text = str(item)


def _value(element: Element) -> dict[str, Any] | str:
    if len(element) == 0:
        return (element.text or "").strip()
    return {_local(child): _value(child) for child in element}


def _as_dict(element: Element | None) -> dict[str, Any] | None:
    value = _value(element) if element is not None else None
    return value if isinstance(value, dict) else None


def _child(element: Element, name: str) -> Element | None:
    return next((child for child in element if _local(child) == name), None)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]

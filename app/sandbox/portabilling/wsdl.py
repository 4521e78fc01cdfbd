"""The WSDLs, written out of one table (protocols/portabilling.md §7: style and namespace are assumed)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

NAMESPACE = "http://schemas.portaone.com/soap"


@dataclass(frozen=True)
class Field:
    """An element: its name, its type (`int`, `string` or a structure), whether it may repeat or be missing."""

    name: str
    type: str = "string"
    many: bool = False
    required: bool = False

    def xsd(self) -> str:
        kind = f"xsd:{self.type}" if self.type in ("int", "string") else f"p:{self.type}"
        least = "" if self.required else ' minOccurs="0"'
        most = ' maxOccurs="unbounded"' if self.many else ""
        return f'<xsd:element name="{self.name}" type="{kind}"{least}{most}/>'


@dataclass(frozen=True)
class Operation:
    """One method with its request and its answer."""

    name: str
    takes: tuple[Field, ...]
    gives: tuple[Field, ...]
    needs_session: bool = True


def _ints(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "int") for name in names)


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names)


STRUCTURES: dict[str, tuple[Field, ...]] = {
    "AuthInfoStructure": _texts("session_id", "access_token"),
    "AccountInfo": (
        *_ints("i_account", "i_customer", "i_product"),
        Field("id"),
        Field("billing_model", "int"),
        *_texts("batch_name", "balance", "opening_balance", "credit_limit", "iso_4217", "activation_date", "expiration_date"),
        *_texts("login", "password", "h323_password", "blocked", "bill_status"),
    ),
    "CustomerInfo": (Field("i_customer", "int"), *_texts("name", "login", "iso_4217", "balance", "bill_status")),
    "XDRInfo": (
        *_ints("i_xdr", "i_account"),
        *_texts("account_id", "CLD", "visible_comment", "charged_amount", "iso_4217", "bill_time"),
    ),
}

_PAGE = (*_ints("limit", "offset"), Field("get_total", "int"))
_TOKENS = _texts("session_id", "access_token", "refresh_token", "expires_at")
_HANDLE = _texts("session_id", "access_token")
_SUCCESS = (Field("success", "int", required=True),)
_I_ACCOUNT = Field("i_account", "int", required=True)
_ACCOUNT_INFO = (Field("account_info", "AccountInfo", required=True),)

SERVICES: dict[str, tuple[Operation, ...]] = {
    "Session": (
        Operation("login", _texts("login", "password", "token"), _TOKENS, needs_session=False),
        Operation("refresh_access_token", _texts("refresh_token"), _TOKENS, needs_session=False),
        Operation("ping", _HANDLE, (Field("user_id", "int", required=True),), needs_session=False),
        Operation("logout", _HANDLE, _SUCCESS, needs_session=False),
    ),
    "Account": (
        Operation("get_account_info", (Field("i_account", "int"), *_texts("id", "login")), (Field("account_info", "AccountInfo"),)),
        Operation(
            "get_account_list",
            (Field("i_customer", "int"), Field("id"), *_PAGE),
            (Field("account_list", "AccountInfo", many=True), Field("total", "int")),
        ),
        Operation("add_account", _ACCOUNT_INFO, (_I_ACCOUNT,)),
        Operation("update_account", _ACCOUNT_INFO, (_I_ACCOUNT,)),
        Operation("terminate_account", (_I_ACCOUNT, *_texts("force", "release_assigned_did")), _SUCCESS),
        Operation("make_transaction", (_I_ACCOUNT, *_texts("action", "amount", "visible_comment")), _texts("balance", "transaction_id")),
        Operation(
            "get_xdr_list",
            (_I_ACCOUNT, *_texts("from_date", "to_date"), *_PAGE),
            (Field("xdr_list", "XDRInfo", many=True), Field("total", "int")),
        ),
    ),
    "Customer": (
        Operation("get_customer_info", (Field("i_customer", "int"), *_texts("name", "login")), (Field("customer_info", "CustomerInfo"),)),
    ),
}


def wsdl(service: str, soap_address: str) -> str:
    """The WSDL of one of `SERVICES`, telling clients to call `soap_address`."""
    operations = SERVICES[service]
    name = f"{service}Admin"
    return "".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
            f' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:p="{NAMESPACE}"'
            f' targetNamespace="{NAMESPACE}" name="{name}Service">\n',
            f' <types><xsd:schema targetNamespace="{NAMESPACE}" elementFormDefault="unqualified">\n',
            *(_structure(name, fields) for name, fields in STRUCTURES.items()),
            '  <xsd:element name="auth_info" type="p:AuthInfoStructure"/>\n',
            *(_element(op.name, op.takes) + _element(f"{op.name}Response", op.gives) for op in operations),
            " </xsd:schema></types>\n",
            ' <message name="auth_info"><part name="auth_info" element="p:auth_info"/></message>\n',
            *(_message(op.name) + _message(f"{op.name}Response") for op in operations),
            f' <portType name="{name}Port">\n',
            *(_port_operation(op.name) for op in operations),
            f' </portType>\n <binding name="{name}Binding" type="p:{name}Port">\n',
            '  <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>\n',
            *(_binding_operation(op) for op in operations),
            f' </binding>\n <service name="{name}Service"><port name="{name}Port" binding="p:{name}Binding">'
            f"<soap:address location={quoteattr(soap_address)}/></port></service>\n</definitions>\n",
        )
    )


def _structure(name: str, fields: tuple[Field, ...]) -> str:
    return f'  <xsd:complexType name="{name}"><xsd:all>{"".join(field.xsd() for field in fields)}</xsd:all></xsd:complexType>\n'


def _element(name: str, fields: tuple[Field, ...]) -> str:
    inside = "".join(field.xsd() for field in fields)
    return f'  <xsd:element name="{name}"><xsd:complexType><xsd:sequence>{inside}</xsd:sequence></xsd:complexType></xsd:element>\n'


def _message(name: str) -> str:
    return f' <message name="{name}"><part name="parameters" element="p:{name}"/></message>\n'


def _port_operation(name: str) -> str:
    return f'  <operation name="{name}"><input message="p:{name}"/><output message="p:{name}Response"/></operation>\n'


def _binding_operation(op: Operation) -> str:
    header = '<soap:header message="p:auth_info" part="auth_info" use="literal"/>' if op.needs_session else ""
    return (
        f'  <operation name="{op.name}"><soap:operation soapAction="{op.name}"/>'
        f'<input><soap:body use="literal"/>{header}</input><output><soap:body use="literal"/></output></operation>\n'
    )

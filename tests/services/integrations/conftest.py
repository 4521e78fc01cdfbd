"""A real HTTP server with scripted answers, and a small PortaBilling on top of it that speaks both wires."""

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree

HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad Gateway<br></body></html>"


@dataclass(frozen=True)
class Reply:
    """`ends`: answered, dropped (closed without a byte), hung (silent until the test ends), short (cut off before its length)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ends: str = "answered"


@dataclass(frozen=True)
class Got:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def as_json(data: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json", **headers})


class ScriptedServer:
    """Answers from `script` first, then from `handler`. `got` holds every request."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.handler: Callable[[Got], Reply] = lambda _: Reply(500, b"nothing scripted")
        self.got: list[Got] = []
        self.connections: set[Any] = set()
        self.open_sockets: list[socket.socket] = []
        self.over = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def will(self, *replies: Reply) -> None:
        self.script.extend(replies)

    def close(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        for connection in self.open_sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                server.open_sockets.append(self.connection)

            def answer(self) -> None:
                target = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(target.query, keep_blank_values=True).items()}
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                got = Got(self.command, target.path, query, dict(self.headers.items()), body)
                server.got.append(got)
                server.connections.add(self.client_address)
                self.give(server.script.popleft() if server.script else server.handler(got))

            do_GET = do_POST = answer

            def give(self, reply: Reply) -> None:
                if reply.ends == "hung":
                    server.over.wait(20)
                if reply.ends in ("hung", "dropped"):
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                missing = 50 if reply.ends == "short" else 0
                self.send_header("Content-Length", str(len(reply.body) + missing))
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = self.close_connection or bool(missing)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def nobody_url() -> Iterator[str]:
    """An address that refuses connections: bound, so that nobody else takes it, but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PORTA = "http://schemas.portaone.com/soap"
ACCOUNT_FIELDS = [
    "i_account",
    "i_customer",
    "i_product",
    "id",
    "billing_model",
    "batch_name",
    "balance",
    "opening_balance",
    "iso_4217",
    "activation_date",
    "expiration_date",
    "blocked",
    "bill_status",
]
XDR_FIELDS = ["i_xdr", "charged_amount", "visible_comment", "bill_time"]
SERVICES: dict[str, dict[str, tuple[str, str]]] = {
    "Session": {
        "login": ("login password token", "session_id access_token"),
        "ping": ("session_id access_token", "user_id"),
    },
    "Account": {
        "get_account_info": ("i_account id login", "account_info"),
        "add_account": ("account_info", "i_account"),
        "update_account": ("account_info", "i_account"),
        "make_transaction": ("i_account action amount visible_comment", "balance"),
        "get_xdr_list": ("i_account from_date to_date limit offset", "xdr_list"),
    },
}
TYPES = {"account_info": "p:AccountInfo", "xdr_list": "p:Xdr", "i_account": "xsd:int", "user_id": "xsd:int"}


def _elements(names: str) -> str:
    many = {"xdr_list": ' maxOccurs="unbounded"'}
    return "".join(
        f'<xsd:element name="{name}" type="{TYPES.get(name, "xsd:string")}" minOccurs="0"{many.get(name, "")}/>' for name in names.split()
    )


def wsdl(service: str, address: str, answers_have_header: bool) -> bytes:
    types = messages = ports = bindings = ""
    for name, (asked, answered) in SERVICES[service].items():
        for element, fields in ((name, asked), (name + "Response", answered)):
            content = f"<xsd:complexType><xsd:sequence>{_elements(fields)}</xsd:sequence></xsd:complexType>"
            types += f'<xsd:element name="{element}">{content}</xsd:element>'
            messages += f'<message name="{element}"><part name="parameters" element="p:{element}"/></message>'
        ports += f'<operation name="{name}"><input message="p:{name}"/><output message="p:{name}Response"/></operation>'
        body = '<soap:body use="literal"/>'
        bindings += f'<operation name="{name}"><soap:operation soapAction="{name}"/>'
        bindings += f"<input>{body}</input><output>{body}</output></operation>"
    if answers_have_header:
        types += '<xsd:element name="server_info" type="xsd:string"/>'
        messages += '<message name="SI"><part name="server_info" element="p:server_info"/></message>'
        header = '<soap:header message="p:SI" part="server_info" use="literal"/></output>'
        bindings = bindings.replace("</output>", header)
    structs = "".join(
        f'<xsd:complexType name="{name}"><xsd:all>{_elements(" ".join(fields))}</xsd:all></xsd:complexType>'
        for name, fields in (("AccountInfo", ACCOUNT_FIELDS), ("Xdr", XDR_FIELDS))
    )
    return (
        f'<?xml version="1.0"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:p="{PORTA}"'
        ' xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f' targetNamespace="{PORTA}" name="S"><types><xsd:schema targetNamespace="{PORTA}" elementFormDefault="unqualified">'
        f'{structs}{types}</xsd:schema></types>{messages}<portType name="P">{ports}</portType><binding name="B" type="p:P">'
        f'<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bindings}</binding>'
        f'<service name="S"><port name="P" binding="p:B"><soap:address location="{address}"/></port></service></definitions>'
    ).encode()


class PortaFault(Exception):
    def __init__(self, code: str, text: str) -> None:
        self.code, self.text = code, text


class Porta:
    """One store behind SOAP and JSON. `next` scripts the wire of the coming calls of an operation."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.accounts: dict[str, dict[str, Any]] = {}
        self.xdrs: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.sessions: set[str] = set()
        self.password, self.logins, self.extra, self.user_id = "right", 0, False, 7
        self.next: dict[str, deque[Reply | PortaFault]] = {}
        self.done_but_lost: set[str] = set()
        self.answers_have_header = False
        self.wsdl_reply: Reply | None = None
        server.handler = self.answer

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    def will(self, operation: str, *replies: Reply | PortaFault) -> None:
        self.next.setdefault(operation, deque()).extend(replies)

    def answer(self, got: Got) -> Reply:
        if got.method == "GET":
            service = got.path.removeprefix("/wsdl/").removesuffix("AdminService.wsdl")
            return self.wsdl_reply or Reply(
                200, wsdl(service, self.server.url + "/soap/", self.answers_have_header), {"Content-Type": "text/xml"}
            )
        return self.soap(got) if got.path == "/soap/" else self.rest(got)

    def soap(self, got: Got) -> Reply:
        root = etree.fromstring(got.body)
        request = root.find(f"{{{SOAP}}}Body")[0]
        session = root.findtext(f"{{{SOAP}}}Header/{{{PORTA}}}auth_info/session_id")
        name = etree.QName(request).localname
        try:
            result = self.perform(name, _as_dict(request) or {}, session)
        except PortaFault as fault:
            body = f"<s:Fault><faultcode>{fault.code}</faultcode><faultstring>{fault.text}</faultstring></s:Fault>"
            return soap_reply(body, 500)
        if isinstance(result, Reply):
            return result
        extra = "<hint>new in MR118</hint>" if self.extra and not result else ""
        return soap_reply(f'<p:{name}Response xmlns:p="{PORTA}">{_as_xml(result, self.extra)}{extra}</p:{name}Response>')

    def rest(self, got: Got) -> Reply:
        token = got.headers.get("Authorization", "").removeprefix("Bearer ")
        session = token.removeprefix("jwt-") if token.startswith("jwt-") else None
        try:
            result = self.perform(got.path.rsplit("/", 1)[1], json.loads(got.body)["params"], session)
        except PortaFault as fault:
            return as_json({"faultcode": fault.code, "faultstring": fault.text}, 500)
        return result if isinstance(result, Reply) else as_json(result)

    def perform(self, name: str, params: dict[str, Any], session: str | None) -> dict[str, Any] | Reply:
        self.calls.append((name, params))
        scripted = self.next.get(name)
        if scripted:
            reply = scripted.popleft()
            if isinstance(reply, PortaFault):
                raise reply
            if name in self.done_but_lost:
                self.act(name, params)
            return reply
        if name == "login":
            return self.log_in(params)
        if session not in self.sessions:
            raise PortaFault("Server.Session.check_auth.auth_failed", "Session id is unknown or expired")
        return self.act(name, params)

    def log_in(self, params: dict[str, Any]) -> dict[str, Any]:
        self.logins += 1
        if self.password not in (params.get("password"), params.get("token")):
            raise PortaFault("Server.Session.auth_failed", "Login or password is incorrect (case sensitive)")
        session = f"session{self.logins}"
        self.sessions = {session}
        return {"session_id": session, "access_token": f"jwt-{session}"}

    def act(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        if name == "ping":
            return {"user_id": self.user_id}
        if name == "get_account_info":
            found = self.accounts.get(params["id"])
            return {"account_info": found} if found else {}
        if name == "add_account":
            info = params["account_info"]
            if info["id"] in self.accounts:
                raise PortaFault("Server.Account.duplicate_id", f"Account {info['id']} already exists")
            row = {"i_account": str(len(self.accounts) + 501), "balance": info["opening_balance"], "bill_status": "open"}
            self.accounts[info["id"]] = row | {name: str(value) for name, value in info.items()}
            return {"i_account": row["i_account"]}
        if name == "update_account":
            change = params["account_info"]
            row = next(row for row in self.accounts.values() if row["i_account"] == str(change["i_account"]))
            row.update(blocked=change["blocked"])
            return {"i_account": row["i_account"]}
        if name == "make_transaction":
            self.xdrs.append(
                {
                    "i_xdr": str(len(self.xdrs) + 1),
                    "charged_amount": params["amount"],
                    "visible_comment": params["visible_comment"],
                    "bill_time": "2026-11-22 10:00:00",
                }
            )
            return {"balance": "0.00000"}
        start, size = int(params["offset"]), int(params["limit"])
        return {"xdr_list": self.xdrs[start : start + size]}


def soap_reply(body: str, status: int = 200) -> Reply:
    text = f'<?xml version="1.0"?><s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'
    return Reply(status, text.encode(), {"Content-Type": "text/xml; charset=utf-8"})


def _as_dict(element: Any) -> Any:
    if not len(element):
        return element.text
    return {etree.QName(child).localname: _as_dict(child) for child in element}


def _as_xml(value: Any, extra: bool = False) -> str:
    if not isinstance(value, dict):
        return str(value)
    fields = list(value.items()) + ([("i_novelty", "1")] if extra and "i_account" in value and "id" in value else [])
    rows = [(name, row) for name, inner in fields for row in (inner if isinstance(inner, list) else [inner])]
    return "".join(f"<{name}>{_as_xml(row, extra)}</{name}>" for name, row in rows)


@pytest.fixture
def porta(server: ScriptedServer) -> Porta:
    return Porta(server)


@pytest.fixture
def make() -> Any:
    """The building blocks of scripts, for tests that cannot import this file by name."""

    class Make:
        Reply, as_json, PortaFault, soap_reply, html = Reply, staticmethod(as_json), PortaFault, staticmethod(soap_reply), HTML

    return Make

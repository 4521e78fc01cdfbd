"""zeep's transport, made bounded: time-outs, size, no redirects, and WSDL files that survive their host (portabilling.md §6)."""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from lxml import etree
from requests.adapters import HTTPAdapter
from zeep.transports import Transport

from app.outbound import correlation_headers
from services.integrations.http import CONNECT_SECONDS, MAX_ANSWER_BYTES, POOL_SIZE
from services.integrations.patience import bounded

WSDL_FRESH_SECONDS = 24 * 3600.0

log = structlog.get_logger(__name__)


class AnswerTooSlow(requests.RequestException):
    """The answer kept coming for longer than the time-out allows."""


class AnswerTooLarge(requests.RequestException):
    """The answer is larger than any that PortaBilling gives."""


@dataclass(frozen=True)
class Reply:
    """What zeep reads of a response, and no more."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    encoding: str | None


def strict_xml(content: bytes) -> Any:
    """Parse well-formed XML without DTD or entities, or raise ValueError.

    zeep with `strict=False` repairs what it parses: an answer cut off in the middle would pass for a shorter one.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        raise ValueError("not well-formed XML") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("XML with a document type")
    return root


class BoundedTransport(Transport):
    """Keeps connections alive, one pool per process. Raises what requests raises."""

    def __init__(self, *, addresses: Iterable[str], timeout_seconds: float, ca_file: str | None, cache_dir: Path) -> None:
        """`addresses` are the configured ones: whatever a WSDL names, no other host is ever spoken to."""
        self._hosts = {urlsplit(address).hostname for address in addresses}
        self._ca_file, self._timeout_seconds, self._cache_dir = ca_file, timeout_seconds, cache_dir
        super().__init__(session=self._open_session())  # type: ignore[no-untyped-call]
        self._pid = os.getpid()
        self.trust_cache = True

    def post(self, address: str, message: bytes, headers: Mapping[str, str]) -> Reply:
        return self._exchange("POST", address, data=message, headers={**headers, **correlation_headers()})

    def load(self, url: str) -> bytes:
        """A WSDL or schema: a fresh copy from disk, else from the host, else an old copy. Only the web is read, never files."""
        if not url.startswith(("http://", "https://")):
            raise requests.exceptions.InvalidSchema("only http(s) addresses are loaded")
        copy = self._cache_dir / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.xml"
        if self.trust_cache and (stored := _stored(copy, WSDL_FRESH_SECONDS)):
            return stored
        try:
            reply = self._exchange("GET", url)
            if reply.status_code != 200:
                raise requests.HTTPError(f"HTTP {reply.status_code}")
            strict_xml(reply.content)
        except (requests.RequestException, ValueError) as error:
            if self.trust_cache and (stored := _stored(copy, None)):
                log.warning("portabilling.wsdl_stale", reason=type(error).__name__)
                return stored
            raise
        _store(copy, reply.content)
        return reply.content

    def _exchange(self, method: str, url: str, **options: Any) -> Reply:
        if urlsplit(url).hostname not in self._hosts:
            raise requests.exceptions.InvalidURL("not a configured host")
        if self._pid != os.getpid():
            # After a fork the pooled sockets belong to the parent as well; two writers would mix their requests.
            self.session, self._pid = self._open_session(), os.getpid()
        timeout = (bounded(CONNECT_SECONDS), bounded(self._timeout_seconds))
        deadline = time.monotonic() + bounded(CONNECT_SECONDS + self._timeout_seconds)
        with self.session.request(method, url, timeout=timeout, stream=True, allow_redirects=False, **options) as response:
            body = bytearray()
            for chunk in response.iter_content(65_536):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerTooLarge
                if time.monotonic() > deadline:
                    raise AnswerTooSlow
            return Reply(response.status_code, response.headers, bytes(body), response.encoding)

    def _open_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # also spares reading .netrc on every call
        session.verify = self._ca_file or True
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=POOL_SIZE, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session


def _stored(copy: Path, fresh_seconds: float | None) -> bytes | None:
    with suppress(OSError):
        if fresh_seconds is None or time.time() - copy.stat().st_mtime < fresh_seconds:
            return copy.read_bytes() or None
    return None


def _store(copy: Path, content: bytes) -> None:
    """Keep a copy, whole or not at all. A disk that refuses is no reason to refuse service."""
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=copy.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, copy)
    except OSError as error:
        log.warning("portabilling.wsdl_not_kept", reason=type(error).__name__)

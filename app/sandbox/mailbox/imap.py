"""IMAP4rev1 (RFC 3501), as much of it as a program needs that reads one folder: LOGIN, SELECT, STATUS, UID SEARCH, FETCH and STORE."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from app.sandbox.mailbox.models import Folder, Letter

_CAPABILITIES = "IMAP4rev1"
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^()]*\))|(\S+)')
_LONGEST_LINE = 1 << 20


class MailMode(BaseModel):
    """What goes wrong, each as often as its number says: the connection is cut in the middle of a mail, or once flags are set."""

    model_config = ConfigDict(extra="forbid")

    refuse_login: bool = False
    cut_in_fetch: int = Field(default=0, ge=0)
    cut_after_store: int = Field(default=0, ge=0)
    refuse_smtp: bool = False


class _Cut(Exception):
    """The connection ends here."""


@dataclass(frozen=True)
class Account:
    user: str
    password: str


class ImapServer:
    """Serves one folder, INBOX. `mode` is asked at each command."""

    def __init__(self, folder: Folder, account: Account, mode: Callable[[], MailMode]) -> None:
        self._folder, self._account, self._mode = folder, account, mode
        self._talks: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await _Talk(self._folder, self._account, self._mode, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, _Cut):
            pass
        finally:
            self._talks.discard(task)
            writer.transport.abort() if reader.exception() else writer.close()

    def hang_up(self) -> None:
        for task in self._talks:
            task.cancel()


class _Talk:
    def __init__(
        self, folder: Folder, account: Account, mode: Callable[[], MailMode], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._folder, self._account, self._mode = folder, account, mode
        self._reader, self._writer = reader, writer
        self._is_known, self._is_selected, self._is_over = False, False, False

    async def run(self) -> None:
        await self._say(f"* OK [CAPABILITY {_CAPABILITIES}] INET sandbox")
        while not self._is_over and (line := await self._reader.readline()):
            if len(line) > _LONGEST_LINE:
                return
            tag, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            name, _, arguments = rest.partition(" ")
            if tag:
                await self._obey(tag, name.upper(), _words(arguments))

    async def _obey(self, tag: str, name: str, words: list[str]) -> None:
        uid = name == "UID" and bool(words)
        verb = words[0].upper() if uid else name
        obey = getattr(self, f"_do_{verb.lower()}", None)
        if obey is None or uid != (verb in ("SEARCH", "FETCH", "STORE")):
            await self._say(f"{tag} BAD {verb[:20]} is not known here")
        elif not self._is_known and verb not in ("LOGIN", "CAPABILITY", "NOOP", "LOGOUT"):
            await self._say(f"{tag} NO Log in first")
        elif uid and not self._is_selected:
            await self._say(f"{tag} NO Select a folder first")
        else:
            try:
                said = await obey(words[1:] if uid else words)
            except (IndexError, ValueError):
                said = "BAD That cannot be understood"
            await self._say(f"{tag} {said}")

    async def _do_capability(self, _: list[str]) -> str:
        await self._say(f"* CAPABILITY {_CAPABILITIES}")
        return "OK done"

    async def _do_noop(self, _: list[str]) -> str:
        return "OK done"

    async def _do_logout(self, _: list[str]) -> str:
        self._is_over = True
        await self._say("* BYE")
        return "OK bye"

    async def _do_login(self, words: list[str]) -> str:
        given, right = f"{words[0]}\0{words[1]}", f"{self._account.user}\0{self._account.password}"
        if self._mode().refuse_login or not hmac.compare_digest(given.encode(), right.encode()):
            return "NO [AUTHENTICATIONFAILED] Invalid credentials"
        self._is_known = True
        return "OK welcome"

    async def _do_list(self, _: list[str]) -> str:
        await self._say('* LIST (\\HasNoChildren) "/" "INBOX"')
        return "OK done"

    async def _do_status(self, words: list[str]) -> str:
        if words[0].upper() != "INBOX":
            return "NO [NONEXISTENT] No such folder"
        letters, numbers = self._folder.letters(), self._folder.numbers
        known = {
            "MESSAGES": len(letters),
            "RECENT": 0,
            "UIDNEXT": numbers.next_uid,
            "UIDVALIDITY": numbers.validity,
            "UNSEEN": sum(not letter.is_seen for letter in letters),
        }
        asked = [name.upper() for name in words[1].strip("()").split()]
        await self._say(f'* STATUS "INBOX" ({" ".join(f"{name} {known[name]}" for name in asked if name in known)})')
        return "OK done"

    async def _do_select(self, words: list[str]) -> str:
        if words[0].upper() != "INBOX":
            return "NO [NONEXISTENT] No such folder"
        numbers = self._folder.numbers
        self._is_selected = True
        await self._say(
            "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)",
            f"* {len(self._folder.letters())} EXISTS",
            "* 0 RECENT",
            f"* OK [UIDVALIDITY {numbers.validity}]",
            f"* OK [UIDNEXT {numbers.next_uid}]",
        )
        return "OK [READ-WRITE] done"

    async def _do_close(self, _: list[str]) -> str:
        self._is_selected = False
        return "OK done"

    async def _do_search(self, words: list[str]) -> str:
        if words[0].upper() == "CHARSET":
            words = words[2:]
        letters = self._folder.letters()
        terms = iter(" ".join(words).strip("()").upper().split())
        for term in terms:
            if term == "UID":
                wanted = set(_chosen(next(terms), letters))
                letters = [letter for letter in letters if letter.uid in wanted]
            elif term in ("UNSEEN", "SEEN"):
                letters = [letter for letter in letters if letter.is_seen is (term == "SEEN")]
            elif term != "ALL":
                return f"BAD {term[:20]} is not known here"
        await self._say("* SEARCH" + "".join(f" {letter.uid}" for letter in letters))
        return "OK done"

    async def _do_fetch(self, words: list[str]) -> str:
        letters = self._folder.letters()
        places = {letter.uid: place for place, letter in enumerate(letters, start=1)}
        by_uid = {letter.uid: letter for letter in letters}
        asked = " ".join(words[1:]).upper()
        for uid in _chosen(words[0], letters):
            await self._hand_over(by_uid[uid], places[uid], asked)
        return "OK done"

    async def _hand_over(self, letter: Letter, place: int, asked: str) -> None:
        facts = [f"UID {letter.uid}"]
        if "FLAGS" in asked:
            facts.append(f"FLAGS ({' '.join(letter.flags)})")
        if "RFC822.SIZE" in asked:
            facts.append(f"RFC822.SIZE {len(letter.content)}")
        if "INTERNALDATE" in asked:
            facts.append(f'INTERNALDATE "{letter.internal_date}"')
        head = f"* {place} FETCH ({' '.join(facts)}"
        if "BODY" not in asked:
            await self._say(f"{head})")
            return
        is_head = "[HEADER]" in asked
        content = letter.content
        if is_head:
            content = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0] + b"\r\n\r\n"
        self._writer.write(f"{head} BODY[{'HEADER' if is_head else ''}] {{{len(content)}}}\r\n".encode())
        if self._mode().cut_in_fetch:
            self._mode().cut_in_fetch -= 1
            self._writer.write(content[: len(content) // 2])
            await self._writer.drain()
            raise _Cut
        self._writer.write(content + b")\r\n")
        if "PEEK" not in asked:
            self._folder.mark(letter, ["\\Seen"], how="+FLAGS")
        await self._writer.drain()

    async def _do_store(self, words: list[str]) -> str:
        how, flags = words[1].upper(), words[2].strip("()").split()
        letters = {letter.uid: letter for letter in self._folder.letters()}
        for uid in _chosen(words[0], letters.values()):
            self._folder.mark(letters[uid], flags, how=how.removesuffix(".SILENT"))
        if self._mode().cut_after_store:
            self._mode().cut_after_store -= 1
            raise _Cut
        return "OK done"

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()


def _words(arguments: str) -> list[str]:
    return [found[1].replace('\\"', '"').replace("\\\\", "\\") if found[1] is not None else found[0] for found in _WORD.finditer(arguments)]


def _chosen(written: str, letters: Iterable[Letter]) -> list[int]:
    """The numbers that a set such as `1,4:7,9:*` names, of those that are there."""
    there = sorted(letter.uid for letter in letters)
    last = there[-1] if there else 0
    spans = []
    for part in written.split(","):
        begin, _, end = part.partition(":")
        one, other = (last if edge == "*" else int(edge) for edge in (begin, end or begin))
        spans.append((min(one, other), max(one, other)))
    return [uid for uid in there if any(low <= uid <= high for low, high in spans)]

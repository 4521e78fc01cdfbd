"""The drill of photos: phones send them over links that break every few hundred kilobytes, to a server that is killed now and then.

`python -m tests.drill.photos`; DRILL_SEED, DRILL_PHOTOS (175), DRILL_PHOTO_BYTES (3000000), DRILL_PHONES (5) and DRILL_KILL_PROBABILITY
choose. Afterwards each photo is held once, with the hash that its phone knows it by, and the server's memory stayed bounded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlmodel import col, select

import app.tables  # noqa: F401 - rows relate to tables that are never read here
from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.apps import devices, tokens
from services.apps.models import AppDevice, PhotoUpload, UploadState
from services.photos import messages, storage, sweeping
from services.tickets import changes
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, TicketMessage
from services.tickets.opening import Opening, open_ticket
from services.tickets.pictures import repainted
from tests.drill.alone import databases, own_folder
from tests.drill.cutting import Cuts, CuttingProxy
from tests.drill.watched import Server
from tests.services.photos.pictures import noise
from tests.services.tickets.people import a_person

BOUNDARIES = ("photo.written", "photo.counted", "photo.judged", "photo.attached", "photo.held")
_PHOTOS, _PIECE = "/api/mobile/v1/photos", "application/offset+octet-stream"
_BYTES_PER_POINT = 0.61
_GIVE_UP_SECONDS = 1800.0
# Of the held photos, how many are painted again here and compared with what the server keeps.
_REPAINTED = 8
_ANNOUNCED_AGAIN = 0.1
# A photo of five megapixels is unpacked to fifteen megabytes, and a few times that while it is painted anew; one at a time.
_MOST_MB = 200.0


@dataclass
class Found:
    """`lost`: held nowhere; `doubled`: twice with the ticket; `wrong`: another picture, or other bytes on the disk than the row says."""

    seed: int
    photos: int
    size_bytes: int = 0
    seconds: float = 0.0
    requests: int = 0
    cuts: Cuts = field(default_factory=Cuts)
    deaths: Counter[str] = field(default_factory=Counter)
    held: int = 0
    phones_say: int = 0
    notes: int = 0
    idle_mb: float = 0.0
    peak_mb: float = 0.0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        is_bounded = self.peak_mb - self.idle_mb < _MOST_MB
        return not (self.lost or self.doubled or self.wrong) and self.held == self.phones_say == self.photos and is_bounded

    def row(self) -> dict[str, object]:
        counts = {"lost": len(self.lost), "doubled": len(self.doubled), "stuck": len(self.wrong)}
        return {"name": "photos", "seed": self.seed, "runs": self.photos, **counts, "ok": self.is_good}


class Phone:
    """A technician's phone: sends its photos one after another, and after each break asks how far it has come."""

    def __init__(self, port: int, device: AppDevice, ticket_id: int, seed: int) -> None:
        self._device, self._ticket_id = device, ticket_id
        self._chance = random.Random(seed)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        self.requests = self._in_vain = 0
        self._token = self._new_token()
        self._until = time.monotonic() + _GIVE_UP_SECONDS

    def send_all(self, photos: list[Path]) -> int:
        """How many the server says it holds at the end."""
        for path in photos:
            self._send(path.read_bytes())
            if self._chance.random() < _ANNOUNCED_AGAIN:
                self._send(path.read_bytes())  # its own note that it is held was lost
        counted = self._ask("GET", f"{_PHOTOS}?ticket={self._ticket_id}")
        self._http.close()
        return int(counted.json()["held"])

    def _send(self, content: bytes) -> None:
        said = {"ticket": str(self._ticket_id), "sha256": hashlib.sha256(content).hexdigest(), "name": "IMG.jpg"}
        metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
        answer = self._ask("POST", _PHOTOS, headers={"Upload-Length": str(len(content)), "Upload-Metadata": metadata})
        address = answer.headers["location"]
        while (offset := int(self._ask("HEAD", address).headers["upload-offset"])) < len(content):
            headers = {"Upload-Offset": str(offset), "Content-Type": _PIECE}
            with suppress(httpx.HTTPError):
                self._once("PATCH", address, headers, content[offset:])
        while self._ask("GET", address).json()["state"] == "receiving":
            self._ask("HEAD", address)

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Again and again, until an answer comes."""
        while time.monotonic() < self._until:
            with suppress(httpx.HTTPError):
                answer = self._once(method, path, headers or {})
                if answer.is_success:
                    return answer
                if answer.status_code not in (401, 409, 429, 503):
                    raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
                time.sleep(min(5, int(answer.headers.get("retry-after", 0))))
        raise RuntimeError(f"{method} {path}: given up")

    def _once(self, method: str, path: str, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
        self.requests += 1
        sent = headers | {"Authorization": f"Bearer {self._token}", "Tus-Resumable": "1.0.0"}
        try:
            answer = self._http.request(method, path, headers=sent, content=content)
            self._in_vain = 0
        except httpx.HTTPError:
            time.sleep(min(0.5, 0.01 * 2**self._in_vain))
            self._in_vain = min(10, self._in_vain + 1)
            raise
        if answer.status_code == 401:
            self._token = self._new_token()
        return answer

    def _new_token(self) -> str:
        return tokens.make(device=self._device.public_id, key_number=self._device.key_number, now=utc_now())


class Drill:
    """Database and settings are there already."""

    def __init__(self, directory: Path, *, seed: int, photos: int, size: int, phones: int, kill_probability: float) -> None:
        self._directory, self._seed, self._phones = directory, seed, phones
        self._kill_probability = kill_probability
        side = max(32, round(math.sqrt(size / _BYTES_PER_POINT / 12)))
        self._paths = [self._taken(number, side) for number in range(photos)]
        self._found = Found(seed, photos, sum(path.stat().st_size for path in self._paths))

    def _taken(self, number: int, side: int) -> Path:
        path = self._directory / f"{number}.jpg"
        path.write_bytes(noise(self._seed * 100_003 + number, width=4 * side, height=3 * side))
        return path

    def run(self) -> Found:
        owners = self._enrolled()
        deaths = self._directory / "deaths"
        server = Server(self._directory, kill=f"{self._kill_probability}:{self._seed}:{deaths}")
        proxy = CuttingProxy(server.port, seed=self._seed)
        deaths.touch()
        began = time.monotonic()
        try:
            phones = [Phone(proxy.port, device, ticket, self._seed + number) for number, (device, ticket) in enumerate(owners)]
            shares = [self._paths[number :: len(phones)] for number in range(len(phones))]
            with ThreadPoolExecutor(len(phones)) as pool:
                self._found.phones_say = sum(pool.map(Phone.send_all, phones, shares))
        finally:
            self._found.seconds = time.monotonic() - began
            proxy.close()
            server.close()
        self._found.requests = sum(phone.requests for phone in phones)
        self._found.cuts, self._found.idle_mb, self._found.peak_mb = proxy.cuts, server.idle_mb, server.peak_mb
        self._found.deaths.update(deaths.read_text("ascii").split())
        # What the server left when it died between its last two steps.
        sweeping.sweep(transaction, storage.store(), clock=utc_now)
        self._compare()
        return self._found

    def _enrolled(self) -> list[tuple[AppDevice, int]]:
        """A technician with several phones, each for a ticket of its own."""
        made = []
        with transaction() as session:
            person = a_person(session, "lamin@test.gm", role=Role.FIELD_TECHNICIAN)
            for number in range(self._phones):
                opening = Opening(body=f"The mast of village {number}", channel=Channel.PHONE)
                ticket = open_ticket(session, opening, who=changes.SYSTEM, now=utc_now())
                changes.set_field(session, ticket, "assignee_id", person.id, who=changes.SYSTEM, now=utc_now())
                opened = devices.open_for_staff(session, person=person, phone=devices.Phone(f"phone {number}"), now=utc_now())
                made.append((opened.device, ticket.id or 0))
        return made

    def _compare(self) -> None:
        with transaction() as session:
            rows = session.exec(select(PhotoUpload).where(PhotoUpload.state == UploadState.HELD)).all()
            files = {row.id: row for row in session.exec(select(Attachment)).all()}
            self._found.notes = len(session.exec(select(TicketMessage).where(col(TicketMessage.body) == messages.WORDS)).all())
        self._found.held = len(rows)
        held = {row.sha256: files.get(row.attachment_id) for row in rows}
        self._found.doubled += [f"{len(files)} files of {len(rows)} photos"] * (len(files) != len(rows) or len(held) != len(rows))
        self._found.wrong += [f"left over: {name}" for name in storage.store().names()]
        for number, path in enumerate(self._paths):
            content = path.read_bytes()
            self._judge(path.name, content, held.get(hashlib.sha256(content).hexdigest()), is_repainted=number < _REPAINTED)

    def _judge(self, name: str, content: bytes, file: Attachment | None, *, is_repainted: bool) -> None:
        if file is None or file.file is None:
            self._found.lost.append(name)
            return
        kept = (Path(os.environ["INET_DATA_DIR"]) / "attachments" / file.file).read_bytes()
        if hashlib.sha256(kept).hexdigest() != file.sha256 or (is_repainted and repainted(content).content != kept):
            self._found.wrong.append(name)


def run_alone(*, seed: int, photos: int, size: int = 3_000_000, phones: int = 5, kill_probability: float = 0.001) -> Found:
    """The drill with servers of its own."""
    with own_folder() as directory, databases(directory):
        return Drill(directory, seed=seed, photos=photos, size=size, phones=phones, kill_probability=kill_probability).run()


def lines_of(found: Found) -> list[str]:
    counts = f"lost {len(found.lost)}, doubled {len(found.doubled)}, wrong {len(found.wrong)}"
    cuts, deaths = found.cuts, ", ".join(f"{name} {found.deaths[name]}" for name in BOUNDARIES)
    return [
        f"photos: {found.photos} of {found.size_bytes / 1e6:.0f} MB together (seed {found.seed}); the phones say {found.phones_say}, "
        f"we hold {found.held} with {found.notes} notes; {counts}",
        f"  {found.seconds:.0f} s, {found.requests} requests over {cuts.connections} connections: {cuts.broken} broken in the middle, "
        f"{cuts.eaten} answers eaten, {cuts.carried_bytes / 1e6:.0f} MB carried",
        f"  the server's memory: {found.idle_mb:.0f} MB idle, {found.peak_mb:.0f} MB at most; it died at: {deaths}",
        *[f"  {name}" for name in (*found.lost, *found.doubled, *found.wrong)][:40],
    ]


def main() -> int:
    environ = os.environ
    found = run_alone(
        seed=int(environ.get("DRILL_SEED") or random.randrange(1_000_000)),
        photos=int(environ.get("DRILL_PHOTOS") or 175),
        size=int(environ.get("DRILL_PHOTO_BYTES") or 3_000_000),
        phones=int(environ.get("DRILL_PHONES") or 5),
        kill_probability=float(environ.get("DRILL_KILL_PROBABILITY") or 0.001),
    )
    print("\n".join(lines_of(found)), flush=True)
    row = found.row() | {"cuts": found.cuts.broken + found.cuts.eaten, "held": found.held, "deaths": dict(found.deaths)}
    row |= {"bytes": found.size_bytes, "seconds": round(found.seconds), "idle_mb": round(found.idle_mb), "peak_mb": round(found.peak_mb)}
    (Path.cwd() / "drill-photos.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return 0 if found.is_good else 1


if __name__ == "__main__":
    sys.exit(main())

"""What an idle poll asks of Redis, for all polls of a moment in one round trip: is there work, and has the list of routers changed?

In the same breath Redis learns when each router asked, and how often in this minute.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from app import redis
from app.hot import Batcher
from services.access import busy

# Two thousandths of a second more, of the ten seconds between two polls, for a fifth of the round trips.
_GATHER_SECONDS = 0.002
_MOST_AT_ONCE = 1000
_SCRIPT = """
local answers = {redis.call('EXISTS', KEYS[1]), redis.call('GET', KEYS[5]) or ''}
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[4], ARGV[i], 1)
  answers[#answers + 1] = redis.call('SISMEMBER', KEYS[2], ARGV[i])
end
redis.call('EXPIRE', KEYS[4], ARGV[1])
return answers
"""


@dataclass(frozen=True, slots=True)
class Told:
    """`edition` of the list of routers, empty when Redis does not know."""

    may_have_work: bool
    edition: bytes


async def _ask_redis(batch: list[tuple[str, str]]) -> list[Told]:
    now = int(time.time())
    keys = [busy.VALID, busy.BUSY, busy.SEEN, f"{busy.POLLS}{now // 60}", busy.EDITION]
    script = redis.async_client().register_script(_SCRIPT)
    told: list[Told] = []
    for start in range(0, len(batch), _MOST_AT_ONCE):
        arguments: list[str | int] = [busy.POLLS_KEPT_SECONDS]
        for slug, agent in batch[start : start + _MOST_AT_ONCE]:
            arguments += (slug, f"{now}|{agent[:60]}")
        is_complete, edition, *members = await script(keys, arguments)
        told += [Told(not is_complete or bool(member), edition) for member in members]
    return told


ask_about_poll: Batcher[tuple[str, str], Told] = Batcher(_ask_redis, gather_seconds=_GATHER_SECONDS)
"""Asked with the slug and the User-Agent of a poll whose router is known. Raises redis.Away."""

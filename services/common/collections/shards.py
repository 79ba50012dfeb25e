"""Who works on which part of a job on a collection.

    convscope:shards:{job}:held   zset  parts that somebody has, by the end of their lease
    convscope:shards:{job}:done   set   parts that are done
    convscope:sharing             zset  jobs that workers may help with, with the number of their parts

A part that is done twice is no harm: both write the same file. So a lease has no token.
"""

from dataclasses import dataclass
from typing import Any

import redis

_PRELUDE = """
local job, total = ARGV[1], tonumber(ARGV[2])
local held, done = 'convscope:shards:' .. job .. ':held', 'convscope:shards:' .. job .. ':done'
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local function open()
  redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
  for part = 0, total - 1 do
    if redis.call('SISMEMBER', done, part) == 0 and not redis.call('ZSCORE', held, part) then return part end
  end
end
local running = redis.call('HGET', 'convscope:job:' .. job, 'state') == 'running'
  and not redis.call('HGET', 'convscope:job:' .. job, 'cancel')
"""

_SHARE = """
redis.call('ZADD', 'convscope:sharing', total, job)
"""

_CLAIM = """
if not running or not redis.call('ZSCORE', 'convscope:sharing', job) then return -1 end
local part = open()
if not part then return -1 end
redis.call('ZADD', held, now + tonumber(ARGV[3]), part)
return part
"""

_HOLD = """
if not running then return 0 end
redis.call('ZADD', held, now + tonumber(ARGV[3]), ARGV[4])
return 1
"""

_FINISH = """
redis.call('ZREM', held, ARGV[3])
redis.call('SADD', done, ARGV[3])
"""

_WANTS_HELP = """
local state = redis.call('HGET', 'convscope:job:' .. job, 'state')
if state ~= 'running' and state ~= 'queued' then return -1 end
if redis.call('HGET', 'convscope:job:' .. job, 'kind') ~= ARGV[3] then return 0 end
return running and open() and 1 or 0
"""

_END = """
redis.call('ZREM', 'convscope:sharing', job)
redis.call('DEL', held, done)
"""


@dataclass(frozen=True)
class Shared:
    """A job that is worked on in parts."""

    job: str
    total: int
    """How many parts."""


class Shards:
    """The parts of all jobs that are shared out. Every method may raise redis.RedisError."""

    def __init__(self, store: redis.Redis) -> None:
        self._store = store
        share, claim, hold, finish, wants_help, end = (
            store.register_script(_PRELUDE + body) for body in (_SHARE, _CLAIM, _HOLD, _FINISH, _WANTS_HELP, _END)
        )
        self._share, self._claim, self._hold = share, claim, hold
        self._finish, self._wants_help, self._end = finish, wants_help, end

    def share(self, shared: Shared) -> None:
        """Let others help. Parts that were done before, in an earlier attempt, stay done."""
        self._share(args=[shared.job, shared.total])

    def claim(self, shared: Shared, seconds: float) -> int | None:
        """Take the first part that nobody has, for so long; None where there is none, or the job no longer runs."""
        part = int(self._claim(args=[shared.job, shared.total, seconds]))
        return None if part < 0 else part

    def hold(self, shared: Shared, part: int, seconds: float) -> bool:
        """Keep a part for so long from now. False: the job no longer runs."""
        return bool(self._hold(args=[shared.job, shared.total, seconds, part]))

    def finish(self, shared: Shared, part: int) -> None:
        """A part's file is there."""
        self._finish(args=[shared.job, shared.total, part])

    def done(self, shared: Shared) -> set[int]:
        """The parts that are done."""
        return {int(part) for part in self._store.smembers(f"convscope:shards:{shared.job}:done")}

    def wanting_help(self, kind: str) -> list[Shared]:
        """Running jobs of a kind with parts that nobody has. Those that have ended otherwise are forgotten."""
        rows: Any = self._store.zrange("convscope:sharing", 0, -1, withscores=True)
        wanting = []
        for job, total in rows:
            shared = Shared(job.decode(), int(total))
            answer = int(self._wants_help(args=[shared.job, shared.total, kind]))
            if answer < 0:
                self.end(shared.job)
            elif answer:
                wanting.append(shared)
        return wanting

    def end(self, job: str) -> None:
        """It needs no help any more."""
        self._end(args=[job, 0])

"""What a caller may use up, counted in the store for all replicas together."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from convscope.services.common.access.caller import Caller
from convscope.services.common.errors import StepsUsedUp, TooManyCalls

# How far a full allowance reaches, seconds.
BURST_SECONDS = 2.0
# After the store has failed, so long until it is asked again: a call is not to wait for it each time.
AWAY_SECONDS = 5.0
DAY_SECONDS = 86_400
# The time at which the allowance is full again, which moves on by 1 / rate with each call (the generic cell rate
# algorithm). Times are the store's own: the clocks of replicas differ.
_TAKE = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = full + 1 / rate - now - burst
if wait > 1e-9 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full + 1 / rate), 'EX', math.ceil(burst) + 1)
return '0'
"""
# Nothing is counted of what is refused.
_SPEND = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return used end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return -1
"""


class Quota:
    """The allowances of callers. Usable from any thread.

    Calls are counted in this replica alone while the store is away, or where there is none.
    """

    def __init__(self, store: redis.Redis | None) -> None:
        self._store = store
        self._take = store.register_script(_TAKE) if store else None
        self._spend = store.register_script(_SPEND) if store else None
        self._full: dict[str, float] = {}
        self._own = threading.Lock()
        self._ask_again = 0.0

    def take_call(self, caller: Caller) -> None:
        """One more call of it. Raises TooManyCalls."""
        rate = caller.calls_per_second
        if not rate:
            return
        # A caller of one call in ten seconds has one in hand, too.
        burst = max(BURST_SECONDS, 1 / rate)
        wait = self._taken(caller.name, rate, burst)
        if wait > 0:
            raise TooManyCalls(caller.name, rate, wait)

    @contextmanager
    def steps(self, caller: Caller | None, count: int) -> Iterator[None]:
        """So many steps more of its day, unless what is done within fails. Raises StepsUsedUp, redis.RedisError."""
        if caller is None or caller.steps_per_day is None or self._store is None or self._spend is None:
            yield
            return
        day = int(time.time() // DAY_SECONDS)
        key = f"convscope:steps:{caller.name}:{day}"
        used: Any = self._spend(keys=[key], args=[count, caller.steps_per_day, 2 * DAY_SECONDS])
        if used >= 0:
            raise StepsUsedUp(caller.name, caller.steps_per_day, int(used), (day + 1) * DAY_SECONDS - time.time())
        try:
            yield
        except BaseException:
            with suppress(redis.RedisError):
                self._store.decrby(key, count)
            raise

    def _taken(self, name: str, rate: float, burst: float) -> float:
        """Seconds to wait; 0: the call may begin."""
        if self._take is not None and time.monotonic() >= self._ask_again:
            try:
                answer: Any = self._take(keys=[f"convscope:calls:{name}"], args=[rate, burst])
                return float(answer)
            except redis.RedisError:
                self._ask_again = time.monotonic() + AWAY_SECONDS
        with self._own:
            now = time.monotonic()
            full = max(self._full.get(name, 0.0), now) + 1 / rate
            if (wait := full - now - burst) <= 0:
                self._full[name] = full
            return max(0.0, wait)

"""How many calls a second a caller may begin."""

import threading
import time
from typing import Any

import redis

from convscope.services.common.access.caller import Caller
from convscope.services.common.errors import TooManyCalls

# How far a full allowance reaches, seconds.
BURST_SECONDS = 2.0
# After the store has failed, so long until it is asked again: a call is not to wait for it each time.
AWAY_SECONDS = 5.0
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


class CallQuota:
    """Counted in the store for all replicas together; while it is away, or where there is none, in this one alone.
    Usable from any thread."""

    def __init__(self, store: redis.Redis | None) -> None:
        self._take = store.register_script(_TAKE) if store else None
        self._full: dict[str, float] = {}
        self._own = threading.Lock()
        self._ask_again = 0.0

    def take(self, caller: Caller) -> None:
        """One more call of it. Raises TooManyCalls."""
        rate = caller.calls_per_second
        if not rate:
            return
        # A caller of one call in ten seconds has one in hand, too.
        burst = max(BURST_SECONDS, 1 / rate)
        wait = self._taken(caller.name, rate, burst)
        if wait > 0:
            raise TooManyCalls(caller.name, rate, wait)

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

"""How many steps of jobs a caller may hand in on a day."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from convscope.services.common.errors import StepsUsedUp

DAY_SECONDS = 86_400
# Nothing is counted of what is refused.
_SPEND = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return used end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return -1
"""


class StepQuota:
    """Counted in the store for all replicas together; a day is one of UTC. Usable from any thread."""

    def __init__(self, store: redis.Redis) -> None:
        self._store = store
        self._spend = store.register_script(_SPEND)

    @contextmanager
    def spent(self, caller: str, steps: int, most: int) -> Iterator[None]:
        """So many steps more of a caller's day, unless what is done within fails. most: that it may have. Raises
        StepsUsedUp, redis.RedisError."""
        day = int(time.time() // DAY_SECONDS)
        key = f"convscope:steps:{caller}:{day}"
        used: Any = self._spend(keys=[key], args=[steps, most, 2 * DAY_SECONDS])
        if used >= 0:
            raise StepsUsedUp(caller, most, int(used), (day + 1) * DAY_SECONDS - time.time())
        try:
            yield
        except BaseException:
            with suppress(redis.RedisError):
                self._store.decrby(key, steps)
            raise

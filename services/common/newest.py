"""Sorted sets of the store, the newest first, page by page."""

from typing import Any

import redis

Place = tuple[float, str]
"""A time, and what was made then: where a page ends."""


def newest(store: redis.Redis, key: str, place: Place | None, count: int) -> list[Place]:
    """The newest members, with their times; those that come after `place`, if any, of equal times too.

    May raise redis.RedisError.
    """
    highest = "+inf" if place is None else repr(place[0])
    found: list[Place] = []
    skipped = 0
    while len(found) < count:
        rows: Any = store.zrevrangebyscore(key, highest, "-inf", start=skipped, num=count, withscores=True)
        found += [(score, id.decode()) for id, score in rows if place is None or (score, id.decode()) < place]
        skipped += len(rows)
        if len(rows) < count:
            break
    return found[:count]

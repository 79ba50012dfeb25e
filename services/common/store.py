"""The store that a cluster's processes share: Redis or Valkey."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from convscope.services.common.errors import StoreAway
from convscope.services.common.store_address import StoreAddress


def connect(address: StoreAddress, *, text: bool = False, patience: float = 1.0) -> redis.Redis:
    """A client that gives up quickly: a server answers also where its store is away. Replies are bytes, or `text`.

    patience: seconds that a reply may take; more where a call waits for something to happen.
    """
    return redis.Redis.from_url(
        address.url,
        decode_responses=text,
        socket_timeout=patience,
        socket_connect_timeout=1.0,
        socket_keepalive=True,
        health_check_interval=30,
        **address.tls(),
    )


@contextmanager
def reached() -> Iterator[None]:
    """Within it a store that is away is a StoreAway."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreAway(f"the store does not answer: {error}") from error

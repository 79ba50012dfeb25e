"""The store that a cluster's processes share: Redis or Valkey."""

import redis


def connect(url: str, *, text: bool = False) -> redis.Redis:
    """A client that gives up quickly: a server answers also where its store is away. Replies are bytes, or `text`."""
    return redis.Redis.from_url(
        url,
        decode_responses=text,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        socket_keepalive=True,
        health_check_interval=30,
    )

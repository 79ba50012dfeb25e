"""The messages that wake workers. They carry no job: the record says what is next."""

from typing import Any

import redis
from celery import Celery

from convscope.services.common.store_address import StoreAddress

TASK = "convscope.work"
# Longer than any job, so that the broker never sends a message again by itself; a lost one is missed by nobody.
NEVER_AGAIN = 10 * 24 * 3600


def celery_app(address: StoreAddress) -> Celery:
    """A Celery application on the store, for those who send and those who work."""
    app = Celery("convscope", broker=address.url)
    app.conf.update(
        # Of an address alone Celery would verify nothing.
        broker_use_ssl=address.tls() or False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue="convscope",
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": NEVER_AGAIN,
            "socket_timeout": 30,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app


def queue_of(kind: str) -> str:
    """The broker's queue of a kind of work."""
    return f"convscope.{kind}"


class Messages:
    """Sends messages, and counts those that no worker has taken yet."""

    def __init__(self, app: Celery, store: redis.Redis) -> None:
        # A call does not wait for a broker that is away: what is not sent now is missed, and sent, later.
        impatient = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, **impatient}
        self._app = app
        self._store = store

    def send(self, kind: str) -> None:
        """Wake a worker. Raises OSError or kombu's OperationalError where the broker is away."""
        self._app.send_task(TASK, args=[kind], queue=queue_of(kind), ignore_result=True, retry=False)

    def waiting(self, kind: str) -> int:
        """May raise redis.RedisError."""
        length: Any = self._store.llen(queue_of(kind))
        return int(length)

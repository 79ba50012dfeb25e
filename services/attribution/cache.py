"""Answers kept in the store, so that the same question costs nothing the second time."""

import hashlib
import threading
import time

import redis
import structlog
from google.protobuf.message import DecodeError

from convscope.engine.models.model import Model
from convscope.services.common.cards import to_card
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeResponse

log = structlog.get_logger()
PREFIX = b"convscope:answer:"
# Part of every key: raise it when a method's results change.
GENERATION = b"2"
PAUSE_SECONDS = 5.0


class AnswerCache:
    """Gets and puts answers. A store that is away is no error: for a while the cache is then not asked."""

    def __init__(self, store: redis.Redis | None, seconds: int) -> None:
        self._store = store if seconds else None
        self._seconds = seconds
        self._paused_until = 0.0
        self._failed = False
        self._asking = threading.Lock()

    def key(self, request: AttributeRequest, model: Model, precision: str) -> bytes:
        """Digest of picture, method, parameters, target and what is asked for (the request), and of the model's
        weights, preprocessing and layers (its card)."""
        digest = hashlib.sha256(GENERATION)
        for part in (to_card(model, whole=True), request):
            digest.update(part.SerializeToString(deterministic=True))
            digest.update(b"\0")
        digest.update(precision.encode())
        return PREFIX + digest.digest()

    def get(self, key: bytes) -> AttributeResponse | None:
        """The answer, marked as cached; None where there is none."""
        if self._away():
            return None
        try:
            found = self._store.get(key) if self._store else None
        except redis.RedisError as error:
            self._pause(error)
            return None
        if self._failed:
            self._failed, self._paused_until = False, 0.0
        if not isinstance(found, bytes):
            return None
        try:
            response = AttributeResponse.FromString(found)
        except DecodeError:  # of another version, or not ours
            return None
        response.cached = True
        return response

    def put(self, key: bytes, response: AttributeResponse) -> None:
        """Keep an answer."""
        if self._away() or self._store is None:
            return
        try:
            self._store.set(key, response.SerializeToString(), ex=self._seconds)
        except redis.RedisError as error:
            self._pause(error)

    @property
    def enabled(self) -> bool:
        return self._store is not None

    def _away(self) -> bool:
        with self._asking:
            now = time.monotonic()
            away = now < self._paused_until
            if self._failed and not away:
                # One call finds out whether it is back; the others do not wait with it.
                self._paused_until = now + PAUSE_SECONDS
            return away

    def _pause(self, error: redis.RedisError) -> None:
        self._failed = True
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        log.warning("the store is away; answers are not cached for a while", error=str(error))

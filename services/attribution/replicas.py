"""What the replicas of the attribution server tell each other through the store.

    convscope:replicas  hash  replica -> JSON {seen, models: {name: [state, message]}}
    convscope:wishes    hash  model   -> JSON {number, loaded}; a replica follows the numbers it has not seen
    convscope:cards     hash  model   -> ModelCard, for servers that hold no model

Without a store, a replica is alone and its own wishes are all there are.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog

from convscope.engine.errors import ConvscopeError
from convscope.services.attribution.models import LoadedModels
from convscope.services.common.cards import publish_card
from convscope.v1.model_service_pb2 import ModelReplica

log = structlog.get_logger()
REPLICAS, WISHES, WISH_NUMBER = "convscope:replicas", "convscope:wishes", "convscope:wish-number"
BEAT_SECONDS = 1.0
GONE_AFTER_SECONDS = 10.0


class Replicas:
    """Reports this replica's models every second, and follows the wishes of the others."""

    def __init__(self, store: redis.Redis | None, models: LoadedModels, name: str = "") -> None:
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._store = store
        self._models = models
        self._followed: dict[str, int] = {}
        self._published: dict[str, str] = {}
        self._stop = threading.Event()
        # Apart, because a wish may take minutes to follow and the others must see this replica all the while.
        self._threads = [
            threading.Thread(target=self._every_second, args=[action], name=f"replica-{name}", daemon=True)
            for name, action in (("report", self._report), ("follow", self._follow))
        ]

    def start(self) -> None:
        """Begin to report and to follow; nothing to do without a store."""
        if self._store is not None:
            for thread in self._threads:
                thread.start()

    def close(self) -> None:
        """Stop, and let the others know."""
        self._stop.set()
        report = self._threads[0]
        if report.is_alive():
            report.join()
            self._quietly(lambda store: store.hdel(REPLICAS, self.name))

    def wish(self, name: str, *, loaded: bool) -> None:
        """Record that every replica should load or unload a model; this one has done so already."""

        def record(store: redis.Redis) -> None:
            number = int(store.incr(WISH_NUMBER))
            self._followed[name] = number
            store.hset(WISHES, name, json.dumps({"number": number, "loaded": loaded}))

        self._quietly(record)

    def others(self) -> dict[str, list[ModelReplica]]:
        """The other replicas' view of each model."""
        found: dict[str, list[ModelReplica]] = {}

        def read(store: redis.Redis) -> None:
            for replica, report in store.hgetall(REPLICAS).items():
                seen = json.loads(report)
                if replica == self.name or time.time() - seen["seen"] > GONE_AFTER_SECONDS:
                    continue
                for name, (state, message) in seen["models"].items():
                    view = ModelReplica(replica=str(replica), state=state, message=message)
                    found.setdefault(name, []).append(view)

        self._quietly(read)
        return found

    def _every_second(self, action: Callable[[redis.Redis], object]) -> None:
        while True:
            self._quietly(action)
            if self._stop.wait(BEAT_SECONDS):
                return

    def _report(self, store: redis.Redis) -> None:
        standings = {name: self._models.standing(name) for name in self._models.catalogue}
        models = {name: [int(standing.state), standing.message] for name, standing in standings.items()}
        store.hset(REPLICAS, self.name, json.dumps({"seen": time.time(), "models": models}))
        for name, standing in standings.items():
            model = standing.model
            if model is not None and self._published.get(name) != model.weights_digest:
                publish_card(store, model)
                self._published[name] = model.weights_digest

    def _follow(self, store: redis.Redis) -> None:
        for name, wish in store.hgetall(WISHES).items():
            self._follow_one(str(name), json.loads(wish))

    def _follow_one(self, name: str, wish: dict[str, Any]) -> None:
        if name not in self._models.catalogue or self._followed.get(name, 0) >= wish["number"]:
            return
        self._followed[name] = wish["number"]
        try:
            if wish["loaded"]:
                self._models.load(name)
            else:
                self._models.unload(name)
        except ConvscopeError as error:
            log.error("a wish could not be followed", model=name, error=error.message)

    def _quietly(self, action: Callable[[redis.Redis], object]) -> None:
        if self._store is None:
            return
        try:
            action(self._store)
        except redis.RedisError as error:
            log.warning("the store is away", error=str(error))

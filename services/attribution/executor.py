"""The one thread that touches models, and the queue before it.

    submit ─▶ queue ─▶ take: the oldest piece of work and all of its group, up to max_batch
                        └▶ run: stack, normalise, method, back to the CPU ─▶ futures

Nobody is waited for (unless max_wait says so): a batch is what queued up while the thread was busy.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.attribution.method import Method
from convscope.engine.attribution.parameters import Parameters
from convscope.engine.models.model import Model
from convscope.services.attribution.metrics import BATCH_SIZE, DROPPED, QUEUED
from convscope.services.common.errors import ServerStopping

log = structlog.get_logger()
CLASSIFY = "classify"


@dataclass(frozen=True)
class Task:
    """What is done to a picture. Pictures of equal tasks go through the model together."""

    method_name: str = CLASSIFY
    method: Method | None = None
    """None: only classify."""
    parameters: Parameters | None = None


@dataclass(frozen=True)
class Result:
    """What came of one picture."""

    scores: NDArray[np.float32]
    """[classes], before the softmax."""
    target: int
    """The class explained; the top class where the picture was only classified."""
    values: NDArray[np.float32] | None = None
    """The attribution, in the method's own shape."""


@dataclass(frozen=True, eq=False)
class Work:
    """One picture in the queue."""

    model: Model
    task: Task
    image: Tensor
    """uint8 [3, H, W], cropped; or float32 [3, H, W], preprocessed."""
    target: int
    """Class, or TOP_CLASS."""
    deadline: float | None
    """When nobody waits any more, time.monotonic(); None: never."""
    future: "Future[Result]" = field(default_factory=Future)
    queued_at: float = field(default_factory=time.monotonic)

    @property
    def group(self) -> tuple[int, Task, torch.dtype]:
        """Equal for work that may go through a model together."""
        return id(self.model), self.task, self.image.dtype


class Executor:
    """Runs work batch by batch in a thread of its own.

    One for a process and so for a device: passes of two models at once would only take the device from each other, and
    on a CPU a second thread that computes slows both down (docs/architecture.md).
    """

    def __init__(self, *, max_batch: int, max_wait: float = 0.0, autocast: bool = False) -> None:
        """max_wait: seconds. Starts the thread."""
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._autocast = autocast
        # Smaller batches for models that ran out of memory.
        self._carried: WeakKeyDictionary[Model, int] = WeakKeyDictionary()
        self._queue: list[Work] = []
        self._running: Model | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="executor", daemon=True)
        self._thread.start()

    def precision(self, model: Model) -> torch.dtype:
        """The type that passes of a model compute in."""
        if not self._autocast:
            return torch.float32
        return torch.float16 if model.device.type == "cuda" else torch.bfloat16

    def submit(self, work: Work) -> "Future[Result]":
        """Queue a picture. Raises ServerStopping once the executor is closed."""
        with self._changed:
            if self._closed:
                raise ServerStopping("the server is stopping")
            self._queue.append(work)
            QUEUED.labels(work.model.name).inc()
            self._changed.notify_all()
        return work.future

    def finish(self, model: Model) -> None:
        """Wait until no work of a model is left."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._running is not model and all(work.model is not model for work in self._queue)
            )

    def close(self) -> None:
        """Finish what is queued, then end the thread. Harmless when called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _loop(self) -> None:
        while self._step():
            with self._changed:
                self._running = None
                self._changed.notify_all()

    def _step(self) -> bool:
        """Take and run a batch, and hold on to nothing of it. False when closed and done."""
        batch = self._take()
        waited_for = [work for work in batch if _somebody_waits(work)]
        if batch:
            DROPPED.labels(batch[0].model.name).inc(len(batch) - len(waited_for))
        if waited_for:
            self._run(waited_for)
        return bool(batch)

    def _take(self) -> list[Work]:
        """The next batch; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return []
            if self._max_wait and not self._closed:
                patience = self._queue[0].queued_at + self._max_wait - time.monotonic()
                self._changed.wait_for(lambda: self._closed or self._group_is_full(), max(0.0, patience))
            batch = self._group()
            self._queue = [work for work in self._queue if work not in batch]
            self._running = batch[0].model
            QUEUED.labels(self._running.name).dec(len(batch))
            return batch

    def _group_is_full(self) -> bool:
        return len(self._group()) == self._limit(self._queue[0].model)

    def _group(self) -> list[Work]:
        """The oldest work and what may go with it."""
        first = self._queue[0]
        return [work for work in self._queue if work.group == first.group][: self._limit(first.model)]

    def _limit(self, model: Model) -> int:
        return self._carried.get(model, self._max_batch)

    def _run(self, batch: Sequence[Work]) -> None:
        try:
            results = self._compute(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            elif isinstance(error, torch.OutOfMemoryError):
                self._run_in_halves(batch)
            else:
                log.warning("a batch failed; its pictures go alone", model=batch[0].model.name, error=str(error))
                for work in batch:
                    self._run([work])
        else:
            for work, result in zip(batch, results, strict=True):
                work.future.set_result(result)

    def _run_in_halves(self, batch: Sequence[Work]) -> None:
        model, half = batch[0].model, len(batch) // 2
        self._carried[model] = half
        log.warning("out of memory; smaller batches from now on", model=model.name, batch=half)
        self._run(batch[:half])
        self._run(batch[half:])

    def _compute(self, batch: Sequence[Work]) -> list[Result]:
        model, task = batch[0].model, batch[0].task
        BATCH_SIZE.labels(task.method_name, model.name).observe(len(batch))
        images = torch.stack([work.image for work in batch]).to(model.device)
        if images.dtype == torch.uint8:
            images = model.preprocessing.normalize(images)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(model.device.type, self.precision(model)) if self._autocast else nullcontext():
            if task.method is None:
                with torch.no_grad():
                    scores = _to_numpy(model.module(images))
                return [Result(row, int(row.argmax())) for row in scores]
            targets = torch.tensor([work.target for work in batch], device=model.device)
            found = task.method.attribute(model.module, images, targets, task.parameters)
        rows = zip(_to_numpy(found.scores), found.targets.tolist(), _to_numpy(found.values), strict=True)
        return [Result(scores, target, values) for scores, target, values in rows]


def _somebody_waits(work: Work) -> bool:
    """Claim the work, unless its caller has gone or has no time left."""
    if work.deadline is not None and work.deadline <= time.monotonic():
        work.future.cancel()
    return work.future.set_running_or_notify_cancel()


def _to_numpy(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().float().cpu().numpy()

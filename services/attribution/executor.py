"""The one thread that touches a model, and the queue before it.

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

import numpy as np
import structlog
import torch
from convscope.engine.attribution.method import Method
from convscope.engine.attribution.parameters import Parameters
from convscope.engine.errors import ConvscopeError
from convscope.engine.models.model import Model
from convscope.services.attribution.metrics import BATCH_SIZE, DROPPED, QUEUED
from convscope.services.common.errors import ModelNotLoaded
from numpy.typing import NDArray
from torch import Tensor

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
    def group(self) -> tuple[Task, torch.dtype]:
        return self.task, self.image.dtype


class Executor:
    """Runs work on one model, batch by batch, in a thread of its own."""

    def __init__(self, model: Model, *, max_batch: int = 16, max_wait: float = 0.0, autocast: bool = False) -> None:
        """max_wait: seconds. Starts the thread."""
        self.model = model
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._half = {"cuda": torch.float16}.get(model.device.type, torch.bfloat16) if autocast else None
        self._queue: list[Work] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=f"executor-{model.name}", daemon=True)
        self._thread.start()

    @property
    def precision(self) -> str:
        """The type that passes compute in."""
        return str(self._half or torch.float32).removeprefix("torch.")

    def submit(self, work: Work) -> "Future[Result]":
        """Queue a picture. Raises ModelNotLoaded once the executor is closed."""
        with self._changed:
            if self._closed:
                raise ModelNotLoaded(f"the model {self.model.name} has been unloaded", field="model")
            self._queue.append(work)
            QUEUED.labels(self.model.name).set(len(self._queue))
            self._changed.notify()
        return work.future

    def close(self) -> None:
        """Finish what is queued, then end the thread. Harmless when called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _loop(self) -> None:
        while batch := self._take():
            waited_for = [work for work in batch if _somebody_waits(work)]
            DROPPED.labels(self.model.name).inc(len(batch) - len(waited_for))
            if waited_for:
                self._run(waited_for)

    def _take(self) -> list[Work]:
        """The next batch; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return []
            if self._max_wait and not self._closed:
                full = self._queue[0].queued_at + self._max_wait - time.monotonic()
                self._changed.wait_for(lambda: len(self._group()) >= self._max_batch or self._closed, max(0.0, full))
            batch = self._group()
            self._queue = [work for work in self._queue if work not in batch]
            QUEUED.labels(self.model.name).set(len(self._queue))
            return batch

    def _group(self) -> list[Work]:
        first = self._queue[0].group
        return [work for work in self._queue if work.group == first][: self._max_batch]

    def _run(self, batch: Sequence[Work]) -> None:
        try:
            results = self._compute(batch)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            self._max_batch = max(1, len(batch) // 2)
            log.warning("out of memory, smaller batches from now on", model=self.model.name, max_batch=self._max_batch)
            self._run(batch[: self._max_batch])
            self._run(batch[self._max_batch :])
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            if not isinstance(error, ConvscopeError):
                log.warning("a batch failed; its pictures go alone", model=self.model.name, error=str(error))
            for work in batch:
                self._run([work])
        else:
            for work, result in zip(batch, results, strict=True):
                work.future.set_result(result)

    def _compute(self, batch: Sequence[Work]) -> list[Result]:
        task = batch[0].task
        BATCH_SIZE.labels(task.method_name, self.model.name).observe(len(batch))
        images = torch.stack([work.image for work in batch]).to(self.model.device, non_blocking=True)
        if images.dtype == torch.uint8:
            images = self.model.preprocessing.normalize(images)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, self._half) if self._half else nullcontext():
            if task.method is None:
                with torch.no_grad():
                    scores = _to_numpy(self.model.module(images))
                return [Result(row, int(row.argmax())) for row in scores]
            targets = torch.tensor([work.target for work in batch], device=images.device)
            found = task.method.attribute(self.model.module, images, targets, task.parameters)
        rows = zip(_to_numpy(found.scores), found.targets.tolist(), _to_numpy(found.values), strict=True)
        return [Result(scores, target, values) for scores, target, values in rows]


def _somebody_waits(work: Work) -> bool:
    """Claim the work, unless its caller has gone or has no time left."""
    if work.deadline is not None and work.deadline <= time.monotonic():
        work.future.cancel()
    return work.future.set_running_or_notify_cancel()


def _to_numpy(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().float().cpu().numpy()

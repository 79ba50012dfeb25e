"""The one thread that touches models, and the queue before it.

    submit ─▶ queue ─▶ take: the oldest piece of work and all of its group, up to max_batch
                        └▶ run: through the model, back to the CPU ─▶ futures

Nobody is waited for (unless max_wait says so): a batch is what queued up while the thread was busy. Long work lets a
batch of quick work pass each time it tells its progress, and ends there when nobody waits for it any more.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from weakref import WeakKeyDictionary

import structlog

from convscope.engine.attribution.batch import Progress
from convscope.engine.memory import out_of_memory
from convscope.engine.models.model import Model
from convscope.services.attribution.compute import compute
from convscope.services.attribution.metrics import BATCH_SIZE, DROPPED, QUEUED
from convscope.services.attribution.work import Result, Work
from convscope.services.common.errors import CallCancelled, DeadlinePassed, ServerStopping
from convscope.services.common.telemetry.traces import tell_span

log = structlog.get_logger()


class Executor:
    """Runs work batch by batch in a thread of its own.

    One for a process and so for a device: passes of two models at once would only take the device from each other, and
    on a CPU a second thread that computes slows both down (docs/architecture.md).
    """

    def __init__(self, *, max_batch: int, max_wait: float = 0.0) -> None:
        """max_wait: seconds. Starts the thread."""
        self._max_batch = max_batch
        self._max_wait = max_wait
        # Smaller batches for models that ran out of memory.
        self._carried: WeakKeyDictionary[Model, int] = WeakKeyDictionary()
        self._queue: list[Work] = []
        # What is being run: long work, and quick work that it lets pass.
        self._running: list[Model] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="executor", daemon=True)
        self._thread.start()

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
                lambda: model not in self._running and all(work.model is not model for work in self._queue)
            )

    def close(self) -> None:
        """Finish what is queued, then end the thread. Harmless when called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _loop(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """Take and run a batch, and hold on to nothing of it. False when closed and done."""
        batch = self._wait_for_batch()
        if batch:
            self._serve(batch)
        return bool(batch)

    def _serve(self, batch: Sequence[Work]) -> None:
        try:
            waited_for = [work for work in batch if work.claim()]
            DROPPED.labels(batch[0].model.name).inc(len(batch) - len(waited_for))
            if waited_for:
                self._run(waited_for)
        finally:
            with self._changed:
                self._running.pop()
                self._changed.notify_all()

    def _wait_for_batch(self) -> list[Work]:
        """The next batch; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return []
            if self._max_wait and not self._closed:
                patience = self._queue[0].queued_at + self._max_wait - time.monotonic()
                self._changed.wait_for(lambda: self._closed or self._is_full(self._queue[0]), max(0.0, patience))
            return self._take(self._queue[0])

    def _let_quick_work_pass(self) -> None:
        """Serve the oldest quick work with all of its group, within long work."""
        with self._changed:
            first = next((work for work in self._queue if work.task.quick), None)
            batch = self._take(first) if first else []
        if batch:
            self._serve(batch)

    def _take(self, first: Work) -> list[Work]:
        """`first` with what may go with it, taken off the queue. Held: the lock."""
        batch = self._group(first)
        self._queue = [work for work in self._queue if work not in batch]
        self._running.append(first.model)
        QUEUED.labels(first.model.name).dec(len(batch))
        return batch

    def _is_full(self, first: Work) -> bool:
        return not first.task.quick or len(self._group(first)) == self._limit(first.model)

    def _group(self, first: Work) -> list[Work]:
        group = first.group
        return [work for work in self._queue if work.group == group][: self._limit(first.model)]

    def _limit(self, model: Model) -> int:
        return self._carried.get(model, self._max_batch)

    def _run(self, batch: Sequence[Work]) -> None:
        BATCH_SIZE.labels(batch[0].task.name, batch[0].model.name).observe(len(batch))
        begun = time.monotonic()
        try:
            results = compute(batch, self._progress_of(batch[0]))
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            elif out_of_memory(error):
                self._run_in_halves(batch)
            else:
                log.warning(
                    "a batch failed; its pictures go alone",
                    model=batch[0].model.name,
                    error=str(error),
                    correlation_ids=[work.correlation_id for work in batch],
                )
                for work in batch:
                    self._run([work])
        else:
            _tell_spans(batch, begun)
            for work, result in zip(batch, results, strict=True):
                work.future.set_result(result)

    def _run_in_halves(self, batch: Sequence[Work]) -> None:
        model, half = batch[0].model, len(batch) // 2
        self._carried[model] = half
        log.warning("out of memory; smaller batches from now on", model=model.name, batch=half)
        self._run(batch[:half])
        self._run(batch[half:])

    def _progress_of(self, work: Work) -> Progress:
        """What long work calls between its passes; long work is alone in its batch."""

        def progress(done: int, total: int) -> None:
            if work.gone():
                raise CallCancelled(f"the caller has gone, after {done} of {total} pictures")
            if work.late:
                raise DeadlinePassed(f"the deadline passed after {done} of {total} pictures")
            work.on_progress(done, total)
            self._let_quick_work_pass()

        return progress


def _tell_spans(batch: Sequence[Work], begun: float) -> None:
    """How long each piece of a batch waited, and how long all of them took."""
    ended = time.monotonic()
    for work in batch:
        tell_span("queue", work.context, work.queued_at, begun)
        tell_span("compute", work.context, begun, ended, method=work.task.name, model=work.model.name, batch=len(batch))

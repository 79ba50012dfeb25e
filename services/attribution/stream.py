"""Many requests over one call, answered as they are done."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue

import structlog

from convscope.engine.attribution.batch import Progress, unwatched
from convscope.engine.errors import ConvscopeError
from convscope.services.common.call import Call
from convscope.services.common.errors import to_status
from convscope.services.common.interceptor import INTERNAL
from convscope.services.common.telemetry.correlation import current_correlation
from convscope.v1.attribution_service_pb2 import (
    AttributeProgress,
    AttributeRequest,
    AttributeResponse,
    AttributeStreamRequest,
    AttributeStreamResponse,
)

log = structlog.get_logger()
# Requests of one stream that are taken and whose answers the caller has not; its next ones stay in its send window.
WINDOW = 32
DONE = None
Answer = Callable[[AttributeRequest, Progress], AttributeResponse]


def answer_stream(
    requests: Iterator[AttributeStreamRequest], answer: Answer, call: Call
) -> Iterator[AttributeStreamResponse]:
    """One response for each request, in the order in which they are done, and before it the progress of those that ask
    for it. A failure concerns its request only.

    reader thread: requests ── window ──▶ pool: answer ──▶ responses ──▶ this generator
    """
    responses: SimpleQueue[AttributeStreamResponse | None] = SimpleQueue()
    window = threading.Semaphore(WINDOW)
    failures: list[Exception] = []

    def work(item: AttributeStreamRequest) -> None:
        def tell(done: int, total: int) -> None:
            responses.put(AttributeStreamResponse(id=item.id, progress=AttributeProgress(done=done, total=total)))

        responses.put(_answer_one(item, answer, tell if item.progress else unwatched))

    def read() -> None:
        try:
            with ThreadPoolExecutor(WINDOW, thread_name_prefix="stream") as pool:
                for item in requests:
                    window.acquire()
                    if call.gone:
                        break
                    # Each with what is known of the call: its name in the logs, its caller, its span.
                    pool.submit(copy_context().run, work, item)
        except Exception as error:  # a message that cannot be read, or a caller that has gone
            failures.append(error)
        finally:
            responses.put(DONE)

    reader = threading.Thread(target=copy_context().run, args=(read,), name="stream-reader", daemon=True)
    reader.start()
    try:
        while (response := responses.get()) is not DONE:
            yield response
            if not response.HasField("progress"):
                window.release()
        if failures:
            raise failures[0]
    finally:
        call.cancel()
        window.release()
        reader.join()


def _answer_one(item: AttributeStreamRequest, answer: Answer, on_progress: Progress) -> AttributeStreamResponse:
    try:
        return AttributeStreamResponse(id=item.id, response=answer(item.request, on_progress))
    except ConvscopeError as error:
        failure = error
    except Exception:
        log.exception("a request of a stream failed")
        failure = ConvscopeError(INTERNAL)
    return AttributeStreamResponse(id=item.id, error=to_status(failure, current_correlation()))

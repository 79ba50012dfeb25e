"""Many pictures over one stream: requests go out as they come, answers come back in the pictures' order."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Generic, TypeVar, cast

from convscope.client.errors import ClientError, InvalidArgument, from_status
from convscope.client.images import Picture
from convscope.client.plans import Plan
from convscope.client.results import Attribution
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeStreamRequest, AttributeStreamResponse

T = TypeVar("T")
AHEAD = 64
# A message over the server's limit would end the stream, the other pictures with it.
LARGEST = 64 * 1024 * 1024
Outcome = Attribution | ClientError
OnProgress = Callable[[int, int], None]
"""Called with how many of a long method's passes are done, and how many there are."""


def watched(plan: Plan[Attribution]) -> AttributeStreamRequest:
    """One picture on a stream of its own, with progress."""
    return AttributeStreamRequest(id="0", request=cast(AttributeRequest, plan.request), progress=True)


def outcome_of(plan: Plan[Attribution], response: AttributeStreamResponse) -> Outcome:
    """The answer, or the ClientError that a response has in its place."""
    return from_status(response.error) if response.HasField("error") else plan.parse(response.response)


def settled(outcome: Outcome) -> Attribution:
    """The answer. Raises the ClientError that is there in its place."""
    if isinstance(outcome, ClientError):
        raise outcome
    return outcome


class Bulk:
    """The two ends of a stream, for either client. Where a server sends it away, another stream takes its place, and
    what has no answer yet goes out again."""

    def __init__(self, images: Iterable[Picture], plan: Callable[[Picture], Plan[Attribution]]) -> None:
        self._images = enumerate(images)
        self._plan = plan
        self._plans: dict[int, Plan[Attribution]] = {}
        """Of pictures that are sent and have no answer yet."""
        self._done: InOrder[Outcome] = InOrder()
        self._broken: Exception | None = None
        # Pictures that are sent and not given back yet; each is held in memory.
        self._room = threading.Semaphore(AHEAD)
        self._closed = False
        self._streams = 0
        # Of a stream that is over, the thread may still wait for the next of the images.
        self._taking = threading.Lock()

    def requests(self) -> Iterator[AttributeStreamRequest]:
        """What goes out on a stream, the last to be begun; gRPC runs it in a thread of its own, where what `images`
        raises would be lost."""
        with self._taking:
            self._streams += 1
            stream, again = self._streams, sorted(self._plans)
        for number in again:
            plan = self._plans.get(number)
            if plan is not None:
                yield _request(number, plan)
        while (request := self._next(stream)) is not None:
            yield request

    async def async_requests(self) -> AsyncIterator[AttributeStreamRequest]:
        """requests() for an event loop, which stays free while `images` and files are read and while there is no
        room."""
        requests = self.requests()
        while (request := await asyncio.to_thread(next, requests, None)) is not None:
            yield request

    def _next(self, stream: int) -> AttributeStreamRequest | None:
        """The next picture that can be sent; None where there is none, or not for that stream."""
        while True:
            self._room.acquire()
            with self._taking:
                if self._closed:
                    self._images = enumerate(())
                if self._closed or stream != self._streams:
                    self._room.release()  # for whoever else waits
                    return None
                try:
                    number, image = next(self._images)
                except StopIteration:
                    return None
                except Exception as error:
                    self._broken = error
                    return None
                try:
                    return self._sent(number, image)
                except ClientError as error:
                    # A picture that cannot even be sent is its own outcome.
                    self._done.put(number, error)
                    self._room.release()

    def _sent(self, number: int, image: Picture) -> AttributeStreamRequest:
        plan = self._plan(image)
        request = _request(number, plan)
        if request.ByteSize() > LARGEST:
            message = f"the request is too large: {request.ByteSize()} bytes, at most {LARGEST} can be streamed"
            raise InvalidArgument(message, field="image", reason="MESSAGE_TOO_LARGE")
        self._plans[number] = plan
        return request

    def take(self, response: AttributeStreamResponse) -> Iterator[Outcome]:
        """The outcomes whose turn it is, now that `response` has come."""
        number = int(response.id)
        self._done.put(number, outcome_of(self._plans.pop(number), response))
        for outcome in self._done.ready():
            yield outcome
            self._room.release()

    def rest(self) -> Iterator[Outcome]:
        """What is left when the stream has ended. Raises what `images` raised."""
        yield from self._done.ready()
        if self._broken is not None:
            raise self._broken

    def close(self) -> None:
        """Nobody takes any more."""
        self._closed = True
        self._room.release()


def _request(number: int, plan: Plan[Attribution]) -> AttributeStreamRequest:
    return AttributeStreamRequest(id=str(number), request=cast(AttributeRequest, plan.request))


class InOrder(Generic[T]):
    """Takes numbered things in any order and gives them in that of their numbers."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, T] = {}

    def put(self, number: int, thing: T) -> None:
        self._waiting[number] = thing

    def ready(self) -> Iterator[T]:
        """Those whose turn has come."""
        while self._next in self._waiting:
            yield self._waiting.pop(self._next)
            self._next += 1

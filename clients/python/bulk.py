"""Many pictures over one stream: requests go out as they come, answers come back in the pictures' order."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, cast

from convscope.client.errors import ClientError, from_status
from convscope.client.images import Picture
from convscope.client.plans import Plan
from convscope.client.results import Attribution
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeStreamRequest, AttributeStreamResponse

T = TypeVar("T")
Outcome = Attribution | ClientError


class Bulk:
    """The two ends of a stream, for either client."""

    def __init__(self, images: Iterable[Picture], plan: Callable[[Picture], Plan[Attribution]]) -> None:
        self._images = images
        self._plan = plan
        self._plans: dict[int, Plan[Attribution]] = {}
        self._done: InOrder[Outcome] = InOrder()
        self._broken: Exception | None = None

    def requests(self) -> Iterator[AttributeStreamRequest]:
        """What goes out; gRPC runs it in a thread of its own, where what `images` raises would be lost."""
        try:
            yield from self._requests()
        except Exception as error:
            self._broken = error

    def _requests(self) -> Iterator[AttributeStreamRequest]:
        for number, image in enumerate(self._images):
            try:
                plan = self._plan(image)
            except ClientError as error:
                # A picture that cannot even be sent is its own outcome.
                self._done.put(number, error)
                continue
            self._plans[number] = plan
            yield AttributeStreamRequest(id=str(number), request=cast(AttributeRequest, plan.request))

    def take(self, response: AttributeStreamResponse) -> Iterator[Outcome]:
        """The outcomes whose turn it is, now that `response` has come."""
        number = int(response.id)
        plan = self._plans.pop(number)
        if response.HasField("error"):
            self._done.put(number, from_status(response.error))
        else:
            self._done.put(number, plan.parse(response.response))
        yield from self._done.ready()

    def rest(self) -> Iterator[Outcome]:
        """What is left when the stream has ended. Raises what `images` raised."""
        yield from self._done.ready()
        if self._broken is not None:
            raise self._broken


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

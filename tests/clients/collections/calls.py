"""Either client as a test calls it, and what tests of collections share."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from convscope.client import (
    AsyncClient,
    AsyncCollection,
    Client,
    Collection,
    CollectionInfo,
)
from tests.clients.collections.stand_in import (
    CollectionStandIn,
)
from tests.clients.job_stand_in import png

MODEL = "resnet18_seeded"
SECONDS = 20.0
# Much larger than what gRPC keeps to try a call again, so that one that is cut stays cut.
LARGE = 400_000
UNASKED = CollectionInfo("collections/0001", "photos", None, 0, 0, 0, 0, (), (), ())


class Calls(ABC):
    """Methods of Client, and of a Collection, carried out by one of the two clients; for every call a client of its
    own."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def client(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        """A method of the client."""

    @abstractmethod
    def __call__(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        """A method of the collection of that name; what it gives one by one as a list."""

    @abstractmethod
    def unasked(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        """A method of collections/0001, of which no server was asked."""

    @abstractmethod
    def result(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        """What the job gives that a method of the collection begins."""


class Synchronous(Calls):
    """Client."""

    def client(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            return getattr(client, method)(*arguments, **how)

    def __call__(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            found = getattr(client.collection(name), method)(*arguments, **how)
            return list(found) if isinstance(found, Iterator) else found

    def unasked(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            return getattr(Collection(client._caller, UNASKED), method)(*arguments, **how)

    def result(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            return getattr(client.collection(name), method)(*arguments, **how).result(SECONDS)


class Asynchronous(Calls):
    """AsyncClient, in an event loop of its own."""

    def client(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                return await getattr(client, method)(*arguments, **how)

        return asyncio.run(call())

    def __call__(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                found = getattr(await client.collection(name), method)(*arguments, **how)
                return [one async for one in found] if isinstance(found, AsyncIterator) else await found

        return asyncio.run(call())

    def unasked(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                return await getattr(AsyncCollection(client._caller, UNASKED), method)(*arguments, **how)

        return asyncio.run(call())

    def result(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                job = await getattr(await client.collection(name), method)(*arguments, **how)
                return await job.result(SECONDS)

        return asyncio.run(call())


CLIENTS: dict[str, Callable[[str], Calls]] = {"Client": Synchronous, "AsyncClient": Asynchronous}


def noise(number: int, bytes_at_least: int = LARGE) -> bytes:
    """A PNG that cannot be made smaller."""
    side = int((bytes_at_least / 3) ** 0.5) + 1
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    return png(Image.fromarray(pixels))


def names_of(kept: CollectionStandIn, name: str) -> list[str]:
    return [image.file_name for image, _ in kept.kept[name].images]


def of_type(kept: CollectionStandIn, kind: type) -> list[Any]:
    """The requests of that kind, in their order."""
    return [one for one in (*kept.asked, *kept.requests) if isinstance(one, kind)]

"""Long work that is handed in, and what a calm cluster makes of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from convscope.client import Client, Collection, Job, Synthesis, Unit
from convscope.client.errors import Unavailable
from tests.chaos.questions import LARGE, LAYER, PICTURES
from tests.services.pictures import to_file

# A step of the network `slow` takes 20 ms, so that a job lasts a second or two and costs next to nothing.
STEPS = 40
UPLOADED = [*PICTURES, to_file(LARGE, compress_level=0)]


class Order(ABC):
    """Hands in the same work each time."""

    name: str

    @abstractmethod
    def hand_in(self, client: Client, request_id: str, timeout: float) -> Any:
        """A Job or CollectionJob. Raises ClientError."""

    @abstractmethod
    def made(self, result: Any) -> Mapping[str, Any]:
        """What must be equal, bit for bit."""


@dataclass(frozen=True)
class Picture(Order):
    """Pictures in the making."""

    name: str
    begin: Callable[..., Job]

    def hand_in(self, client: Client, request_id: str, timeout: float) -> Job:
        return self.begin(client, request_id=request_id, timeout=timeout, preview_seconds=0.3, seed=3)

    def made(self, result: Synthesis) -> Mapping[str, Any]:
        return {**result.files, "made": result.made}


@dataclass(frozen=True)
class Scan(Order):
    """An index of a collection of its own, which is made first."""

    name: str = "index_collection"

    def hand_in(self, client: Client, request_id: str, timeout: float) -> Any:
        collection = client.create_collection("chaos", request_id=request_id, timeout=timeout)
        uploaded(collection, timeout)
        return collection.index(
            model="small",
            layers=[LAYER],
            embedding_layer=LAYER,
            patches_per_channel=5,
            request_id=request_id,
            timeout=timeout,
        )

    def made(self, result: Any) -> Mapping[str, Any]:
        return {
            "index": result.name,
            "images": result.image_count,
            "bytes": result.size,
            "digest": result.weights_digest,
        }


def uploaded(collection: Collection, timeout: float) -> None:
    """All pictures in, as the documentation says: what broke off is uploaded again. Raises ClientError."""
    try:
        collection.upload(UPLOADED, timeout=timeout)
    except Unavailable:
        collection.upload(UPLOADED, timeout=timeout)


def _visualize_class(client: Client, **options: Any) -> Job:
    return client.visualize_class(model="slow", target=[1, 3], recipe="simonyan2013", steps=STEPS, jitter=2, **options)


def _visualize_channel(client: Client, **options: Any) -> Job:
    return client.visualize_channel(model="slow", unit=Unit(LAYER, 3), recipe="olah2017", steps=STEPS, **options)


def _deep_dream(client: Client, **options: Any) -> Job:
    return client.deep_dream(PICTURES[0], model="slow", octaves=2, steps=STEPS // 2, jitter=4, **options)


def _invert_features(client: Client, **options: Any) -> Job:
    return client.invert_features(PICTURES[1], model="slow", layer=LAYER, steps=STEPS, **options)


def _create_adversarial(client: Client, **options: Any) -> Job:
    return client.create_adversarial(PICTURES[2], model="small", steps=10, restarts=2, **options)


ORDERS: list[Order] = [
    Picture("visualize_class", _visualize_class),
    Picture("visualize_channel", _visualize_channel),
    Picture("deep_dream", _deep_dream),
    Picture("invert_features", _invert_features),
    Picture("create_adversarial", _create_adversarial),
    Scan(),
]
BY_NAME = {order.name: order for order in ORDERS}

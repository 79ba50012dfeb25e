"""What is asked of a cluster, and when two answers to a question are the same."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.client import Client, Collection
from convscope.client.bulk import settled
from convscope.client.collection_parse import to_collection_info
from convscope.client.methods import Variant
from convscope.client.results import Attribution, Prediction
from convscope.v1.collection_service_pb2 import Collection as CollectionMessage
from tests.services.pictures import noise, to_file
from tests.services.test_concurrency import TIGHT

PICTURES = [to_file(noise(48, 40, seed)) for seed in range(6)]
# Raw, 900 KB: more than gRPC keeps of a call by itself for another attempt.
LARGE = noise(640, 480)
METHODS: dict[str, dict[str, Any]] = {
    "saliency": {"abs": False},
    "guided_backprop": {},
    "grad_cam": {"relu": False},
    "layer_cam": {"relu": False, "layer": "features.0"},
    "integrated_gradients": {"steps": 4},
    "smooth_grad": {"samples": 4, "seed": 3},
    "occlusion": {"window": 8, "stride": 8},
    "rise": {"masks": 16, "seed": 7},
}
MODELS = ("small", "guarded")
CLASSES = 5


class Question(ABC):
    """One call of the SDK."""

    kind: ClassVar[str]
    """What figures call it."""

    @abstractmethod
    def ask(self, client: Client, timeout: float) -> Any:
        """Raises ClientError."""

    @abstractmethod
    def compare(self, found: Any, expected: Any) -> None:
        """Raises AssertionError where it is not the answer of a calm cluster."""


@dataclass(frozen=True)
class Explain(Question):
    """An attribution."""

    kind: ClassVar[str] = "attribute"
    model: str
    method: str
    picture: int | None
    """None: the large one."""
    target: int

    def ask(self, client: Client, timeout: float) -> Attribution:
        return client.attribute(
            LARGE if self.picture is None else PICTURES[self.picture],
            model=self.model,
            method=self.method,
            target=self.target,
            timeout=timeout,
            **METHODS[self.method],
        )

    def compare(self, found: Attribution, expected: Attribution) -> None:
        same_attribution(found, expected)


@dataclass(frozen=True)
class Compare(Question):
    """Several methods on one picture."""

    kind: ClassVar[str] = "compare"
    model: str
    picture: int

    def ask(self, client: Client, timeout: float) -> Sequence[Attribution]:
        variants = [Variant("saliency", abs=False), Variant("grad_cam", relu=False), Variant("guided_backprop")]
        return list(
            client.compare(PICTURES[self.picture], variants, model=self.model, target=self.picture % 5, timeout=timeout)
        )

    def compare(self, found: Sequence[Attribution], expected: Sequence[Attribution]) -> None:
        same_attributions(found, expected)


@dataclass(frozen=True)
class Stream(Question):
    """All pictures over one stream."""

    kind: ClassVar[str] = "stream"
    model: str
    method: str
    pause: float = 0.0
    """Seconds before each picture: a server that is restarted waits for the stream's end."""

    def ask(self, client: Client, timeout: float) -> Sequence[Attribution]:
        outcomes = client.attribute_many(
            self._pictures(),
            model=self.model,
            method=self.method,
            target=1,
            timeout=timeout + len(PICTURES) * self.pause,
            **METHODS[self.method],
        )
        return [settled(outcome) for outcome in outcomes]

    def _pictures(self) -> Iterator[bytes]:
        for picture in PICTURES:
            time.sleep(self.pause)
            yield picture

    def compare(self, found: Sequence[Attribution], expected: Sequence[Attribution]) -> None:
        same_attributions(found, expected)


@dataclass(frozen=True)
class Classify(Question):
    """What a picture is."""

    kind: ClassVar[str] = "classify"
    model: str
    picture: int

    def ask(self, client: Client, timeout: float) -> Sequence[Prediction]:
        return client.classify(PICTURES[self.picture], model=self.model, timeout=timeout).predictions

    def compare(self, found: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
        for one, other in zip(found, expected, strict=True):
            assert (one.index, one.label) == (other.index, other.label)
            assert one.score == pytest.approx(other.score, rel=1e-4)


@dataclass(frozen=True)
class Search(Question):
    """Patches and neighbours in a collection that is indexed; the store and the files are asked."""

    kind: ClassVar[str] = "search"
    collection: str
    channel: int

    def ask(self, client: Client, timeout: float) -> tuple[list[Any], list[Any]]:
        return searched(client, self.collection, self.channel, timeout)

    def compare(self, found: tuple[list[Any], list[Any]], expected: tuple[list[Any], list[Any]]) -> None:
        assert found == expected


def searched(client: Client, collection: str, channel: int, timeout: float) -> tuple[list[Any], list[Any]]:
    """What an index holds, so that equal indexes give equal answers. client: of the attribution servers."""
    # Its record is a matter of the jobs servers, on another target; these need its name only.
    asked = Collection(client._caller, to_collection_info(CollectionMessage(name=collection)))
    patches = asked.find_patches(LAYER, channel, model="small", timeout=timeout)
    neighbors = asked.find_neighbors(channel, k=3, model="small", timeout=timeout)
    return (
        [(one.number, one.activation, one.place, one.png) for one in patches],
        [(one.number, one.distance, one.prediction, one.jpeg) for one in neighbors],
    )


def same_attribution(found: Attribution, expected: Attribution) -> None:
    assert found.target is not None
    assert expected.target is not None
    assert (found.method, found.model, found.layer) == (expected.method, expected.model, expected.layer)
    assert (found.target.index, found.target_name) == (expected.target.index, expected.target_name)
    assert found.region == expected.region
    assert found.explained == pytest.approx(expected.explained, rel=1e-4, abs=1e-6)
    off = _distance(found.values, expected.values)
    assert off <= TIGHT, f"{found.method} of {found.model} is off by {off:.1e} of its largest value"


def same_attributions(found: Sequence[Attribution], expected: Sequence[Attribution]) -> None:
    for one, other in zip(found, expected, strict=True):
        same_attribution(one, other)


def _distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference, on the scale of the largest value."""
    assert found.shape == expected.shape
    assert expected.any(), "an answer of zeros proves nothing"
    return float(np.abs(found.astype(np.float64) - expected).max() / np.abs(expected).max())


QUICK: list[Question] = [
    *(
        Explain(model, method, (number + place) % len(PICTURES), (number + 2 * place) % CLASSES)
        for place, model in enumerate(MODELS)
        for number, method in enumerate(METHODS)
    ),
    *(Explain(model, method, None, 2) for model in MODELS for method in ("saliency", "grad_cam", "rise")),
    *(Compare(model, picture) for model in MODELS for picture in (0, 3)),
    *(Classify(model, picture) for model in MODELS for picture in range(3)),
]
STREAMS: list[Question] = [
    Stream("small", "saliency"),
    Stream("guarded", "rise"),
    Stream("small", "guided_backprop", pause=0.4),
]
LAYER = "features.2"

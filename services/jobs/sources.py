"""What a visualisation names beside its model: a learned prior, and a collection of natural pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convscope.engine.errors import InvalidInput
from convscope.services.common.collections.collection import Collection
from convscope.services.common.errors import IndexUnusable
from convscope.services.common.resource_names import COLLECTIONS, model_name
from convscope.services.jobs.known_prior import KnownPrior
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import DatasetExamples, VisualizeChannelRequest, VisualizeClassRequest

DEFAULT_EXAMPLES, MOST_EXAMPLES = 4, 16


@dataclass(frozen=True)
class Sources:
    """Those that a request names, as they were found."""

    prior: KnownPrior | None = None
    collection: Collection | None = None

    def check(
        self,
        request: VisualizeClassRequest | VisualizeChannelRequest,
        card: ModelCard | None,
        layers: Sequence[str] = (),
    ) -> dict[str, Any]:
        """What an order says of them, plain JSON; nothing of what is not named. layers: of the units.

        Raises PriorMismatch, InvalidInput and IndexUnusable (fields `prior`, `examples.count`, `examples.collection`).
        """
        model = model_name(request.model, field="model")
        said: dict[str, Any] = {}
        if self.prior is not None:
            if card is not None:
                size = (card.preprocessing.height, card.preprocessing.width)
                self.prior.card.check(model, card.weights_digest, size)
            said["prior"] = self.prior.order
        if self.collection is not None:
            said["examples"] = _check_examples(request.examples, self.collection, model, card, layers)
        return said


NONE = Sources()


def _check_examples(
    examples: DatasetExamples, collection: Collection, model: str, card: ModelCard | None, layers: Sequence[str]
) -> dict[str, Any]:
    count = examples.count if examples.HasField("count") else DEFAULT_EXAMPLES
    if not 1 <= count <= MOST_EXAMPLES:
        message = f"count must be 1 to {MOST_EXAMPLES}, not {count}"
        raise InvalidInput(message, field="examples.count", reason="OUT_OF_RANGE")
    for index in collection.indexes:
        same = index.model == model and (card is None or index.weights_digest == card.weights_digest)
        if same and set(layers) <= set(index.layers):
            return {"collection": collection.id, "index": index.id, "count": count, "start": examples.start}
    wanted = f" with the layers {', '.join(sorted(set(layers)))}" if layers else ""
    message = f"{COLLECTIONS}{collection.id} has no index of {model} as it is{wanted}; index it first"
    raise IndexUnusable(message, reason="NO_INDEX", field="examples.collection")

"""Natural pictures that go with what a network makes."""

from dataclasses import dataclass

from convscope.client.arguments import check_integer, check_truth, under
from convscope.client.collection_info import Described
from convscope.client.collection_plans import to_collection_name
from convscope.client.errors import InvalidArgument
from convscope.v1 import synthesis_service_pb2 as messages


@dataclass(frozen=True)
class DatasetExamples:
    """Pictures of a collection to show beside what is made, or to start from: those that the model gives a class the
    highest probability, or that a channel answers most to."""

    collection: str | Described
    """Itself or its name. It has an index of this very model; for channels one with their layers."""
    count: int | None = None
    """How many for each class or unit, 1 to 16; None: 4."""
    start: bool = False
    """Whether a picture starts from the best one of its class or unit, in place of what the recipe says."""


def to_examples(examples: DatasetExamples) -> messages.DatasetExamples:
    """Raises InvalidArgument (field `examples`, or in it)."""
    if not isinstance(examples, DatasetExamples):
        message = f"examples must be DatasetExamples, not {examples!r}"
        raise InvalidArgument(message, field="examples", reason="OUT_OF_RANGE")
    with under("examples"):
        return messages.DatasetExamples(
            collection=to_collection_name(examples.collection),
            count=None if examples.count is None else check_integer("count", examples.count),
            start=check_truth("start", examples.start),
        )

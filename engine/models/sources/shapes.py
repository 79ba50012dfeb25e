"""The three small networks of the made world, with the weights that ship with convscope."""

from convscope.engine.errors import CatalogueError
from convscope.engine.models.entry import Entry
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.weights import load_weights
from convscope.engine.shapes.networks.reading import CAPTIONS, PREPROCESSING, QUESTIONS
from convscope.engine.shapes.networks.shipped import NETWORKS, weights_file
from convscope.engine.shapes.vocabulary import ANSWERS, LABELS


def check(entry: Entry) -> None:
    if entry.network not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise CatalogueError(f"model {entry.name}: unknown network {entry.network!r}; known: {known}")


def build(entry: Entry) -> Built:
    module = NETWORKS[entry.network](**entry.arguments)
    load_weights(module, entry.weights_file or weights_file(entry.network))
    match entry.network:
        case "captioner":
            return Built(module, PREPROCESSING, task="caption", tokenizer=CAPTIONS)
        case "answerer":
            return Built(module, PREPROCESSING, ANSWERS, task="vqa", tokenizer=QUESTIONS)
        case _:
            return Built(module, PREPROCESSING, LABELS)


SOURCE = Source(check, build)

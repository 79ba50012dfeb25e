"""A team's own network: any `package.module:factory` that returns an nn.Module.

It may say of itself what it does, by attributes: `task`, `tokenizer`, `labels`, `preprocessing`. The entry has the last
word.
"""

from torch import nn

from convscope.engine.errors import ModelUnloadable
from convscope.engine.models.entry import Entry
from convscope.engine.models.factories import find_factory
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.weights import load_weights

SAID = ("task", "tokenizer", "labels", "preprocessing")


def check(entry: Entry) -> None:
    find_factory(entry.network, entry, field="network")


def build(entry: Entry) -> Built:
    factory = find_factory(entry.network, entry, field="network")
    try:
        module = factory(**entry.arguments)
    except Exception as error:  # a team's code may raise anything
        message = f"model {entry.name}: {entry.network} raised {type(error).__name__}: {error}"
        raise ModelUnloadable(message) from error
    if not isinstance(module, nn.Module):
        raise ModelUnloadable(f"model {entry.name}: {entry.network} returned a {type(module).__name__}, no nn.Module")
    if entry.weights_file:
        load_weights(module, entry.weights_file)
    known = {name: getattr(module, name) for name in SAID if hasattr(module, name)}
    return Built(module, **known)


SOURCE = Source(check, build)

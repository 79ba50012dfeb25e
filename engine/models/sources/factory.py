"""A team's own network: any `package.module:factory` that returns an nn.Module.

It may say of itself what it does, by attributes: `task`, `tokenizer`, `labels`, `preprocessing`. The entry has the last
word.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from torch import nn

from convscope.engine.errors import ModelUnloadable
from convscope.engine.models.entry import Entry
from convscope.engine.models.factories import find_factory
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.weights import load_weights
from convscope.engine.words.task import Task
from convscope.engine.words.tokenizer import Tokenizer


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
    return Built(module, **_said(module))


def _said(module: nn.Module) -> dict[str, Any]:
    """What it says of itself. An attribute of that name which is something else has another meaning to its team."""
    found = {name: getattr(module, name, None) for name in SAID}
    return {name: value for name, value in found.items() if SAID[name](value)}


def _are_labels(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(label, str) for label in value)


SAID: Mapping[str, Callable[[Any], bool]] = {
    "task": lambda value: value in get_args(Task),
    "tokenizer": lambda value: isinstance(value, Tokenizer),
    "labels": _are_labels,
    "preprocessing": lambda value: isinstance(value, Preprocessing),
}
SOURCE = Source(check, build)

"""A team's own network: any `package.module:factory` that returns an nn.Module."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import nn

from convscope.engine.errors import CatalogueError, ModelUnloadable
from convscope.engine.models.entry import Entry
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.weights import load_weights


def check(entry: Entry) -> None:
    find_factory(entry)


def build(entry: Entry) -> Built:
    factory = find_factory(entry)
    try:
        module = factory(**entry.arguments)
    except Exception as error:  # a team's code may raise anything
        message = f"model {entry.name}: {entry.network} raised {type(error).__name__}: {error}"
        raise ModelUnloadable(message) from error
    if not isinstance(module, nn.Module):
        raise ModelUnloadable(f"model {entry.name}: {entry.network} returned a {type(module).__name__}, no nn.Module")
    if entry.weights_file:
        load_weights(module, entry.weights_file)
    return Built(module)


def find_factory(entry: Entry) -> Callable[..., Any]:
    """Import the factory that an entry names. Raises CatalogueError."""
    module_name, _, factory_name = entry.network.partition(":")
    if not module_name or not factory_name:
        raise CatalogueError(f"model {entry.name}: network {entry.network!r} is no package.module:factory")
    try:
        factory = getattr(import_module(module_name), factory_name)
    except Exception as error:  # importing a team's code may raise anything
        message = f"model {entry.name}: {entry.network} cannot be imported: {type(error).__name__}: {error}"
        raise CatalogueError(message) from error
    if not callable(factory):
        raise CatalogueError(f"model {entry.name}: {entry.network} cannot be called")
    return factory  # type: ignore[no-any-return]


SOURCE = Source(check, build)

"""What a catalogue names as package.module:factory."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from convscope.engine.errors import CatalogueError
from convscope.engine.models.entry import Entry


def find_factory(named: str, entry: Entry, *, field: str) -> Callable[..., Any]:
    """Import it. field: of the entry, that names it. Raises CatalogueError."""
    module_name, _, factory_name = named.partition(":")
    if not module_name or not factory_name:
        raise CatalogueError(f"model {entry.name}: {field} {named!r} is no package.module:factory")
    try:
        factory = getattr(import_module(module_name), factory_name)
    except Exception as error:  # importing a team's code may raise anything
        message = f"model {entry.name}: {named} cannot be imported: {type(error).__name__}: {error}"
        raise CatalogueError(message) from error
    if not callable(factory):
        raise CatalogueError(f"model {entry.name}: {named} cannot be called")
    return factory  # type: ignore[no-any-return]

"""The fields of a request: those that are set, and the path of one that is wrong."""

from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

from convscope.engine.errors import ConvscopeError


def set_fields(message: Message) -> dict[str, Any]:
    """The fields of a message that the caller set, by name; repeated ones as tuples."""
    return {
        field.name: tuple(value) if isinstance(value, MutableSequence) else value
        for field, value in message.ListFields()
    }


@contextmanager
def under(path: str) -> Iterator[None]:
    """Errors within name a field under `path`."""
    try:
        yield
    except ConvscopeError as error:
        error.field = f"{path}.{error.field}" if error.field else path
        raise

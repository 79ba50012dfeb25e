"""Checks of what a caller passes, where the contract's types would fail in words of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from operator import index

from convscope.client.errors import InvalidArgument


def check_integer(field: str, value: object, wanted: str = "a whole number") -> int:
    """A whole number of 32 bits. Raises InvalidArgument that names the field, and what is `wanted`."""
    try:
        number = index(value)  # type: ignore[arg-type]  # a TypeError is what is asked for
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidArgument(f"{field} must be {wanted}, not {value!r}", field=field, reason="OUT_OF_RANGE")
    if not -(2**31) <= number < 2**31:
        raise InvalidArgument(f"{field} {number} is out of range", field=field, reason="OUT_OF_RANGE")
    return number


def check_text(field: str, value: object, reason: str) -> str:
    """Text that can be sent. Raises InvalidArgument that names the field."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{field} must be text, not {value!r}", field=field, reason=reason)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{field} {value!a} is no text", field=field, reason=reason) from None
    return value


@contextmanager
def under(path: str) -> Iterator[None]:
    """Errors within name a field under `path`."""
    try:
        yield
    except InvalidArgument as error:
        error.field = f"{path}.{error.field}"
        raise

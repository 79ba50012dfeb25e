"""Checks of what a caller passes, where the contract's types would fail in words of their own."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from numbers import Real
from operator import index
from typing import TypeVar

from convscope.client.errors import InvalidArgument

T = TypeVar("T")


def check_integer(field: str, value: object, wanted: str = "a whole number", *, bits: int = 32) -> int:
    """A whole number of so many bits. Raises InvalidArgument that names the field, and what is `wanted`."""
    try:
        number = index(value)  # type: ignore[arg-type]  # a TypeError is what is asked for
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidArgument(f"{field} must be {wanted}, not {value!r}", field=field, reason="OUT_OF_RANGE")
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise InvalidArgument(f"{field} {number} is out of range", field=field, reason="OUT_OF_RANGE")
    return number


def check_number(field: str, value: object) -> float:
    """Any number, NumPy's too. Raises InvalidArgument that names the field."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidArgument(f"{field} must be a number, not {value!r}", field=field, reason="OUT_OF_RANGE")
    try:
        return float(value)
    except OverflowError:
        raise InvalidArgument(f"{field} {value} is out of range", field=field, reason="OUT_OF_RANGE") from None


def check_finite(field: str, value: object) -> float:
    """A number that is not infinite and not NaN. Raises InvalidArgument that names the field."""
    number = check_number(field, value)
    if not isfinite(number):
        raise InvalidArgument(f"{field} must be a finite number, not {value!r}", field=field, reason="OUT_OF_RANGE")
    return number


def check_truth(field: str, value: object) -> bool:
    """Raises InvalidArgument that names the field."""
    if isinstance(value, bool):
        return value
    raise InvalidArgument(f"{field} must be True or False, not {value!r}", field=field, reason="OUT_OF_RANGE")


def check_seconds(field: str, value: object) -> float | None:
    """Seconds from 0 on, or None. Raises InvalidArgument that names the field."""
    if value is None:
        return None
    seconds = check_number(field, value)
    if not seconds >= 0:
        raise InvalidArgument(f"{field} must be from 0, not {value!r}", field=field, reason="OUT_OF_RANGE")
    return seconds


def check_names(field: str, names: Iterable[str], known: Collection[str], reason: str) -> list[str]:
    """One name or several, all of them known. Raises InvalidArgument that names the field."""
    chosen = [names] if isinstance(names, str) else listed(field, names, "a name or several")
    for name in chosen:
        if name not in known:
            message = f"{field} cannot be {name!r}; known: {', '.join(known)}"
            raise InvalidArgument(message, field=field, reason=reason)
    return chosen


def check_choice(field: str, name: object, known: Mapping[str, T]) -> T:
    """What one of the known names stands for. Raises InvalidArgument that names the field."""
    if isinstance(name, str) and name in known:
        return known[name]
    message = f"{field} must be one of {', '.join(known)}, not {name!r}"
    raise InvalidArgument(message, field=field, reason="OUT_OF_RANGE")


def listed(field: str, things: Iterable[T], wanted: str) -> list[T]:
    """All of them. Raises InvalidArgument that names the field, and what is `wanted`."""
    try:
        return list(things)
    except TypeError:
        message = f"{field} must be {wanted}, not {things!r}"
        raise InvalidArgument(message, field=field, reason="OUT_OF_RANGE") from None


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

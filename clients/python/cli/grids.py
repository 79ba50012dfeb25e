"""Options of grids of many small pictures."""

from typing import Annotated

import typer

from convscope.client.errors import InvalidArgument
from convscope.engine.imaging.tiles import Normalization

Normalized = Annotated[
    Normalization, typer.Option("--normalization", help="each: every tile's filter or channel by itself; or common.")
]
GridColormap = Annotated[str, typer.Option("--colormap", help="gray, turbo, viridis, magma or coolwarm.")]
NUMBERS_HELP = "By number: 3, 0-19, or 0-9,30."
# More channels than any layer has; a slip of the finger must not fill the memory.
MOST_NUMBERS, LONGEST_NUMBER = 100_000, 10


def to_numbers(text: str | None, *, field: str) -> list[int]:
    """ "0-3,7" to 0, 1, 2, 3, 7; none for None. Raises InvalidArgument."""
    numbers: list[int] = []
    for part in [] if text is None else text.split(","):
        numbers += _range(part.strip(), field)
        if len(numbers) > MOST_NUMBERS:
            raise _wrong(f"it has more than {MOST_NUMBERS} numbers in it", field)
    return numbers


def _range(part: str, field: str) -> range:
    first, dash, last = part.partition("-")
    ends = [first, last] if dash else [first, first]
    if not all(end.isdecimal() and len(end) < LONGEST_NUMBER for end in ends):
        raise _wrong(f"not {part[:40]!r}", field)
    found = range(int(ends[0]), int(ends[1]) + 1)
    if not found or len(found) > MOST_NUMBERS:
        raise _wrong(f"{part!r} has {'no number' if not found else f'more than {MOST_NUMBERS} numbers'} in it", field)
    return found


def _wrong(why: str, field: str) -> InvalidArgument:
    message = f"{field} must be numbers such as 0-9,30; {why}"
    return InvalidArgument(message, field=field, reason="OUT_OF_RANGE")

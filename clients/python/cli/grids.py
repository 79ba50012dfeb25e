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


def to_numbers(text: str | None, *, field: str) -> list[int]:
    """ "0-3,7" to 0, 1, 2, 3, 7; none for None. Raises InvalidArgument."""
    numbers: list[int] = []
    for part in (text or "").split(",") if text is not None else ():
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            message = f"{field} must be numbers such as 0-9,30, not {text!r}"
            raise InvalidArgument(message, field=field, reason="OUT_OF_RANGE")
        numbers += range(int(first), int(last) + 1) if dash else [int(first)]
    return numbers

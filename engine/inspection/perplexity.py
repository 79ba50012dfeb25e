"""How many neighbours count on a map. Nothing here needs more than arithmetic: servers without torch check it too."""

import math

from convscope.engine.errors import InvalidInput, InvalidParameter

PROJECTION_METRICS = ("euclidean", "cosine")
DEFAULT_PERPLEXITY = 30.0
SMALLEST = 1.0
FEWEST = 4
"""Of so many vectors there is a map: each needs three others for the smallest perplexity, 1."""


def largest_perplexity(count: int) -> float:
    """The largest perplexity for a map of `count` vectors: three times as many neighbours have to be there."""
    return (count - 1) / 3


def check_perplexity(perplexity: float | None, count: int, *, field: str = "perplexity") -> float:
    """The perplexity for a map of `count` pictures; None: 30, or what so few pictures allow.

    t-SNE looks at three times as many neighbours, so that it is at most (count - 1) / 3. Raises InvalidParameter for
    one out of range, InvalidInput (TOO_FEW_IMAGES) for too few pictures.
    """
    if count < FEWEST:
        message = f"a map by t-SNE takes at least {FEWEST} pictures, not {count}"
        raise InvalidInput(message, field="collection", reason="TOO_FEW_IMAGES")
    largest = largest_perplexity(count)
    if perplexity is None:
        return min(DEFAULT_PERPLEXITY, largest)
    if not (math.isfinite(perplexity) and SMALLEST <= perplexity <= largest):
        message = f"perplexity must be {SMALLEST:g} to {largest:g}, a third of the {count} pictures, not {perplexity:g}"
        raise InvalidParameter(message, field=field)
    return perplexity

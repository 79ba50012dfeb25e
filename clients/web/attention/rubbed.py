"""What somebody made of a question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from convscope.client.errors import InvalidArgument

MOST_DABS = 20_000


@dataclass(frozen=True)
class Rubbed:
    """Where the picture was rubbed, and the answer that was found there."""

    collection: str
    """Its resource name."""
    annotation: str
    """The question's id."""
    answer: str
    """As it was typed."""
    dabs: NDArray[np.float64]
    """[n, 2]: x and y in the picture's pixels, in the order in which they came."""


def rubbed(event: gr.EventData) -> Rubbed:
    """As the browser tells it. Raises InvalidArgument, which says what is still to be done."""
    dabs = _dabs(event.dabs)
    answer = str(event.answer).strip()
    if not len(dabs):
        raise _lacks("dabs", "rub the picture where the answer is to be seen; nothing of it is sharp yet")
    if not answer:
        raise _lacks("answer", "type the answer that you found in the picture")
    return Rubbed(str(event.collection), str(event.annotation), answer, dabs)


def _dabs(told: Sequence[Any]) -> NDArray[np.float64]:
    if len(told) > MOST_DABS:
        raise _lacks("dabs", f"more than {MOST_DABS} dabs are too many; start over and rub less")
    try:
        dabs = np.asarray(told, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise _lacks("dabs", f"dabs must be pairs of numbers: {error}") from error
    if not np.isfinite(dabs).all():
        raise _lacks("dabs", "dabs must be numbers")
    return dabs


def _lacks(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, field=field, reason="OUT_OF_RANGE")

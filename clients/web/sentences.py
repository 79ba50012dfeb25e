"""What is said when something fails."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from typing import Any

import gradio as gr

from convscope.client.errors import ClientError, DeadlineExceeded, ResourceExhausted, Unavailable

SECONDS = 15
"""How long a sentence stays on the page."""


def sentence(error: ClientError) -> str:
    """A sentence that says what to do."""
    if isinstance(error, Unavailable) and not error.reason:
        return "The cluster does not answer. The page goes on by itself as soon as it is back."
    said = error.message[:1].upper() + error.message[1:]
    if not said.endswith((".", "!", "?")):
        said += "."
    if isinstance(error, ResourceExhausted):
        seconds = f" in {error.retry_after:.0f} seconds" if error.retry_after else " in a moment"
        return f"{said} Try again{seconds}."
    if isinstance(error, DeadlineExceeded):
        return f"{said} Try it again, or with a smaller picture or a quicker method."
    return said


def spoken(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A handler whose ClientErrors are said on the page."""

    @wraps(function)
    async def speaking(*arguments: Any, **named: Any) -> Any:
        try:
            return await function(*arguments, **named)
        except ClientError as error:
            raise _shown(error) from error

    return speaking


def spoken_stream(function: Callable[..., AsyncGenerator[Any]]) -> Callable[..., AsyncGenerator[Any]]:
    """spoken() for one that answers several times."""

    @wraps(function)
    async def speaking(*arguments: Any, **named: Any) -> AsyncGenerator[Any]:
        try:
            async with aclosing(function(*arguments, **named)) as answers:
                async for answer in answers:
                    yield answer
        except ClientError as error:
            raise _shown(error) from error

    return speaking


def _shown(error: ClientError) -> gr.Error:
    return gr.Error(sentence(error), duration=SECONDS, title="That did not work", print_exception=False)

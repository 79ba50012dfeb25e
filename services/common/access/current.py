"""Who makes the call that a thread works on."""

from contextvars import ContextVar

from convscope.services.common.access.caller import Caller

CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Set around every call; None where the server knows no callers by name."""


def may_see(owner: str) -> bool:
    """Whether the caller may know of what `owner` has made."""
    caller = CALLER.get()
    return caller is None or caller.administrator or caller.name == owner

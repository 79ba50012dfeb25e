"""The name by which a call is found in the cluster's logs."""

import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from convscope.client.errors import HEADER, InvalidArgument

_GIVEN: ContextVar[str] = ContextVar("correlation_id", default="")
_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=+@-]{0,127}")


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Name the calls that are made within it, as your own logs name what you do: 1 to 128 letters, digits and
    ``._:/=+@-``, a letter or digit first. Calls outside get a name each. Raises InvalidArgument."""
    if _FIT.fullmatch(correlation_id) is None:
        message = f"{correlation_id[:200]!r} is no correlation id: 1 to 128 letters, digits and ._:/=+@- are"
        raise InvalidArgument(message, field="correlation_id", reason="CORRELATION_ID_INVALID")
    token = _GIVEN.set(correlation_id)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def call_metadata() -> Sequence[tuple[str, str]]:
    """What goes with a call so that it is found again: its name and, where the caller traces, its span."""
    carried: dict[str, str] = {HEADER: _GIVEN.get() or uuid.uuid4().hex}
    if "opentelemetry.trace" in sys.modules:  # who does not trace need not have it
        from opentelemetry import propagate

        propagate.inject(carried)
    return tuple(carried.items())

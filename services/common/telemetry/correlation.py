"""The name by which one call is found in every log line that it causes, from its client to the worker."""

import re
import uuid
from collections.abc import Sequence

import structlog

HEADER = "x-request-id"
"""As proxies and gateways call it, and log it too."""
# Nothing that could break a log line or be mistaken for another field of it.
_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=+@-]{0,127}")


def correlation_of(metadata: Sequence[tuple[str, str | bytes]]) -> str:
    """The caller's own name for its call, where it sent one that can be logged; else a new one."""
    sent = dict(metadata).get(HEADER)
    return sent if isinstance(sent, str) and _FIT.fullmatch(sent) else uuid.uuid4().hex


def begin_correlation(correlation_id: str, **fields: str | int) -> None:
    """Let all that this thread logs from now on say for which call, with what else is known of it.

    Without an end: a thread says it again when it takes its next call, and what a generator did may be undone in
    another thread."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id, **fields)


def end_correlation() -> None:
    """Let what this thread logs from now on be of no call."""
    structlog.contextvars.clear_contextvars()


def current_correlation() -> str:
    """Of the call that this thread works for; empty for none."""
    return str(structlog.contextvars.get_contextvars().get("correlation_id", ""))

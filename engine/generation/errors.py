"""What can go wrong with a learned prior beside what the engine's errors name. Needs no torch."""

from convscope.engine.errors import ConvscopeError


class PriorInvalid(ConvscopeError):
    """A file that is no whole prior."""

    status = "FAILED_PRECONDITION"
    reason = "PRIOR_INVALID"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="prior")


class PriorMismatch(ConvscopeError):
    """A prior of another network, other weights or another layer; the message says what differs."""

    status = "FAILED_PRECONDITION"
    reason = "PRIOR_MISMATCH"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="prior")

"""What can go wrong in a synthesis beside what the engine's errors name. Needs no torch."""

from convscope.engine.errors import ConvscopeError


class CheckpointInvalid(ConvscopeError):
    """A checkpoint that is damaged, or was taken of something else; the message says what differs."""

    status = "FAILED_PRECONDITION"
    reason = "CHECKPOINT_INVALID"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="checkpoint")

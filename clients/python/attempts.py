"""When a call that a server has sent away is made again, beyond gRPC's own attempts."""

from random import uniform
from time import monotonic

from convscope.client.errors import ClientError

# gRPC takes servers in turns and does not remember which one has just refused: in a cluster of two, one call in 32
# meets the one that is stopping in all of its own five attempts.
MOST = 5
FIRST_PAUSE = 0.05
# gRPC's asyncio says so of a stream that the server ends while a request goes out, whatever the server said.
STATUS_LOST = "Internal error from Core"


class Attempts:
    """Those at one call. All calls may be made twice: those that make something have a name (request_id)."""

    def __init__(self, seconds: float) -> None:
        """seconds: for all of them together."""
        self._until = monotonic() + seconds
        self._made = 0

    def seconds(self) -> float:
        """The next attempt begins: what time it has."""
        self._made += 1
        return max(0.0, self._until - monotonic())

    def heard(self) -> None:
        """The attempt has got something: what fails now is another beginning."""
        self._made = 0

    def pause(self, error: ClientError) -> float:
        """The attempt failed: seconds to the next. Raises `error` where another one would do no better."""
        pause = FIRST_PAUSE * float(2 ** (self._made - 1)) * uniform(0.5, 1)
        if not _sent_away(error) or self._made == MOST or monotonic() + pause >= self._until:
            raise error from None
        return pause


def _sent_away(error: ClientError) -> bool:
    """Whether a server that stops has not begun the call, or has let go of it: gRPC's answer is then CANCELLED."""
    if error.status == "CANCELLED" or (error.status == "INTERNAL" and error.message.startswith(STATUS_LOST)):
        return not error.reason
    return error.reason == "SERVER_STOPPING"

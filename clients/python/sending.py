"""Things on their way into a collection over one stream, for either client."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from convscope.client.bulk import LARGEST
from convscope.client.collection_info import BrokenFile, in_number
from convscope.client.errors import ClientError, Unavailable
from convscope.client.plans import Stubs
from convscope.client.taken import Annotated, Uploaded

R = TypeVar("R", Uploaded, Annotated)
LEFT = -1
SENDABLE = f"{LARGEST // 1024 // 1024} MiB"


class Sending(ABC, Generic[R]):
    """The two ends of such a stream. What is sent, and what is made of the answer, say those that derive from it."""

    THING = "file"
    """What one of the things is called."""

    def __init__(self, total: int) -> None:
        """total: how many things there are; 0: not known."""
        self.total = total
        self.gone: SimpleQueue[int] = SimpleQueue()
        """How many things have gone out, each time that it changes; LEFT, from whoever waits no more, ends the call."""
        self._count = 0
        self._too_large: list[BrokenFile] = []
        self._broken: Exception | None = None

    @staticmethod
    @abstractmethod
    def rpc(stubs: Stubs) -> Any:
        """The call."""

    @abstractmethod
    def _opening(self) -> Message:
        """The message that names the collection."""

    @abstractmethod
    def _messages(self) -> Iterator[tuple[str, Message | None]]:
        """The name of each thing, for people, and its message; None where it is too large."""

    @abstractmethod
    def _read(self, response: Any) -> R:
        """What the server tells."""

    def requests(self) -> Iterator[Message]:
        """What goes out. It may run in a thread of gRPC's, where what it raises would be lost: finish() raises that."""
        # So that a collection that is not there is told also where there is nothing to send.
        yield self._opening()
        try:
            for name, request in self._messages():
                # A message over the server's limit would end the stream, the other things with it.
                if request is None or request.ByteSize() > LARGEST:
                    why = f"the {self.THING} is larger than the {SENDABLE} that can be sent"
                    self._too_large.append(BrokenFile(name, why))
                else:
                    yield request
                self._count += 1
                self.gone.put(self._count)
        except Exception as error:
            self._broken = error

    def finish(self, response: Any) -> R:
        """What came of it. Raises what went wrong where the things were read; those before it are taken."""
        if self._broken is not None:
            raise self._broken
        found: R = self._read(response)
        count = found.broken_count + len(self._too_large)
        return replace(found, broken=(*found.broken, *self._too_large), broken_count=count)

    def lost(self, error: ClientError) -> ClientError:
        """What to raise where the call failed: Unavailable where the connection was lost on the way."""
        # A server that is stopped answers CANCELLED to what it has not finished; of a proxy's server it is INTERNAL.
        cut = error.status == "INTERNAL" and "RST_STREAM" in error.message
        if error.reason or not (cut or error.status in ("UNAVAILABLE", "CANCELLED")):
            return error
        if not self._count and isinstance(error, Unavailable):
            return error
        after = f"the upload broke off after {in_number(self._count, self.THING)}: {error.message}"
        message = f"{after}; what was taken stays, and uploading all again adds the rest"
        return Unavailable(message, reason="UPLOAD_BROKEN_OFF", status="UNAVAILABLE")


def sent_name(path: Path) -> str:
    """A file's name as it can be sent: on some systems it may be bytes that are no text."""
    return path.name.encode(errors="replace").decode()

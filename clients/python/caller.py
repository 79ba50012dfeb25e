"""Carries plans out: deadlines, the token, typed errors, streams that outlive their connection."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeAlias, TypeVar

import grpc

from convscope.client.attempts import Attempts
from convscope.client.bulk import OnProgress
from convscope.client.channel import Tls, authorization, open_channel
from convscope.client.correlation import call_metadata
from convscope.client.errors import CLIENT_CLOSED, Cancelled, ClientError, from_rpc_error
from convscope.client.plans import Plan, Stubs
from convscope.client.resuming import Course, Resuming, ended_early
from convscope.client.sending import LEFT, R, Sending

T = TypeVar("T")
Metadata: TypeAlias = Sequence[tuple[str, str]]
# Behind all that an upload tells of itself.
_OVER = -2


class Caller:
    """What Client and the jobs that it gives call with."""

    def __init__(self, target: str, *, token: str | None, tls: Tls | None, timeout: float) -> None:
        """timeout: seconds that a call may take, where it does not say itself."""
        self.target = target
        self._authorization = authorization(token)
        self.channel = open_channel(target, tls)
        self.stubs = Stubs(self.channel)
        self._timeout = timeout
        self._closed = False

    def close(self) -> None:
        """End the connection; calls under way are cancelled."""
        self._closed = True
        self.channel.close()

    def metadata(self) -> Metadata:
        """Of the next call."""
        return (*self._authorization, *call_metadata())

    def run(self, plan: Plan[T], timeout: float | None, metadata: Metadata | None = None) -> T:
        """One call."""
        metadata = metadata or self.metadata()
        attempts = Attempts(self._timeout if timeout is None else timeout)
        while True:
            seconds = attempts.seconds()
            try:
                return plan.parse(plan.rpc(self.stubs)(plan.request, timeout=seconds, metadata=metadata))
            except grpc.RpcError as error:
                lost = self._translated(error, metadata)
            time.sleep(attempts.pause(lost))

    def stream(self, rpc: Any, request: Any, timeout: float | None, metadata: Metadata | None = None) -> Generator[Any]:
        """What a stream gives, until one of its two ends has enough. timeout: seconds for all of it; None: no limit."""
        metadata = metadata or self.metadata()
        lost: ClientError | None = None
        responses = rpc(request, timeout=timeout, metadata=metadata)
        try:
            yield from responses
        except grpc.RpcError as error:
            lost = self._translated(error, metadata)
            error.__traceback__ = None
        finally:
            responses.cancel()
            # gRPC's stream, which is its own error too, must not live on in a traceback: when the interpreter ends it
            # would wait for a lock that one of gRPC's threads, stopped by then, may hold.
            del responses
        if lost is not None:
            raise lost

    def send(self, upload: Sending[R], on_progress: OnProgress | None, timeout: float | None) -> R:
        """Send an upload, which gRPC takes in a thread of its own. on_progress: called in the caller's thread. timeout:
        seconds for all of it; None: no limit."""
        lost: ClientError | None = None
        metadata = self.metadata()
        call = upload.rpc(self.stubs).future(upload.requests(), timeout=timeout, metadata=metadata)
        call.add_done_callback(lambda _: upload.gone.put(_OVER))
        try:
            while (count := upload.gone.get()) not in (_OVER, LEFT):
                if on_progress is not None:
                    on_progress(count, upload.total)
            if count == LEFT:
                raise Cancelled("nobody waits for the upload any more", status="CANCELLED")
            return upload.finish(call.result())
        except grpc.RpcError as error:
            lost = upload.lost(self._translated(error, metadata))
            error.__traceback__ = None
        finally:
            call.cancel()
            # As in stream().
            del call
        raise lost

    def follow(self, course: Course[T], resuming: Resuming, what: str) -> Iterator[T]:
        """All that a course gives, over as many streams as it takes, all of one name in the logs."""
        metadata = self.metadata()
        while not course.over:
            plan = course.plan()
            lost: ClientError = ended_early(what)
            try:
                seconds = resuming.stream_seconds()
                with closing(self.stream(plan.rpc(self.stubs), plan.request, seconds, metadata)) as stream:
                    for response in stream:
                        resuming.heard()
                        yield from plan.parse(response)
                        if course.over:
                            return
                question = course.ended()
                if question is not None:
                    self.run(question, None, metadata)
            except ClientError as error:
                lost = error
            if not course.over:
                time.sleep(resuming.lost(lost))

    def _translated(self, error: grpc.RpcError, metadata: Metadata) -> ClientError:
        if self._closed and error.code() is grpc.StatusCode.CANCELLED:
            return Cancelled("the client was closed", reason=CLIENT_CLOSED, status="CANCELLED")
        return from_rpc_error(error, self.target, metadata)

"""Carries plans out: deadlines, the token, typed errors, streams that outlive their connection."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, TypeVar

import grpc

from convscope.client.bulk import OnProgress
from convscope.client.channel import Tls, metadata, open_channel
from convscope.client.errors import CLIENT_CLOSED, Cancelled, ClientError, from_rpc_error
from convscope.client.plans import Plan, Stubs
from convscope.client.resuming import Course, Resuming, ended_early
from convscope.client.taken import Uploaded
from convscope.client.uploading import LEFT, Upload

T = TypeVar("T")
# Behind all that an upload tells of itself.
_OVER = -2


class Caller:
    """What Client and the jobs that it gives call with."""

    def __init__(self, target: str, *, token: str | None, tls: Tls | None, timeout: float) -> None:
        """timeout: seconds that a call may take, where it does not say itself."""
        self.target = target
        self.metadata = metadata(token)
        self.channel = open_channel(target, tls)
        self.stubs = Stubs(self.channel)
        self._timeout = timeout
        self._closed = False

    def close(self) -> None:
        """End the connection; calls under way are cancelled."""
        self._closed = True
        self.channel.close()

    def run(self, plan: Plan[T], timeout: float | None) -> T:
        """One call."""
        seconds = self._timeout if timeout is None else timeout
        try:
            response = plan.rpc(self.stubs)(plan.request, timeout=seconds, metadata=self.metadata)
        except grpc.RpcError as error:
            raise self._translated(error) from None
        return plan.parse(response)

    def stream(self, rpc: Any, request: Any, timeout: float | None) -> Generator[Any]:
        """What a stream gives, until one of its two ends has enough. timeout: seconds for all of it; None: no limit."""
        lost: ClientError | None = None
        responses = rpc(request, timeout=timeout, metadata=self.metadata)
        try:
            yield from responses
        except grpc.RpcError as error:
            lost = self._translated(error)
            error.__traceback__ = None
        finally:
            responses.cancel()
            # gRPC's stream, which is its own error too, must not live on in a traceback: when the interpreter ends it
            # would wait for a lock that one of gRPC's threads, stopped by then, may hold.
            del responses
        if lost is not None:
            raise lost

    def send(self, upload: Upload, on_progress: OnProgress | None, timeout: float | None) -> Uploaded:
        """Send an upload, which gRPC takes in a thread of its own. on_progress: called in the caller's thread. timeout:
        seconds for all of it; None: no limit."""
        lost: ClientError | None = None
        call = upload.rpc(self.stubs).future(upload.requests(), timeout=timeout, metadata=self.metadata)
        call.add_done_callback(lambda _: upload.gone.put(_OVER))
        try:
            while (count := upload.gone.get()) not in (_OVER, LEFT):
                if on_progress is not None:
                    on_progress(count, upload.total)
            if count == LEFT:
                raise Cancelled("nobody waits for the upload any more", status="CANCELLED")
            return upload.finish(call.result())
        except grpc.RpcError as error:
            lost = upload.lost(self._translated(error))
            error.__traceback__ = None
        finally:
            call.cancel()
            # As in stream().
            del call
        raise lost

    def follow(self, course: Course[T], resuming: Resuming, what: str) -> Iterator[T]:
        """All that a course gives, over as many streams as it takes."""
        while not course.over:
            plan = course.plan()
            lost: ClientError = ended_early(what)
            try:
                with closing(self.stream(plan.rpc(self.stubs), plan.request, resuming.stream_seconds())) as stream:
                    for response in stream:
                        resuming.heard()
                        yield from plan.parse(response)
                        if course.over:
                            return
                question = course.ended()
                if question is not None:
                    self.run(question, None)
            except ClientError as error:
                lost = error
            if not course.over:
                time.sleep(resuming.lost(lost))

    def _translated(self, error: grpc.RpcError) -> ClientError:
        if self._closed and error.code() is grpc.StatusCode.CANCELLED:
            return Cancelled("the client was closed", reason=CLIENT_CLOSED, status="CANCELLED")
        return from_rpc_error(error, self.target)

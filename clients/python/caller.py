"""Carries plans out: deadlines, the token, typed errors, streams that outlive their connection."""

import time
from collections.abc import Iterator
from typing import TypeVar

import grpc

from convscope.client.channel import Tls, metadata, open_channel
from convscope.client.errors import CLIENT_CLOSED, Cancelled, ClientError, from_rpc_error
from convscope.client.plans import Plan, Stubs
from convscope.client.resuming import Course, Resuming, ended_early

T = TypeVar("T")


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

    def follow(self, course: Course[T], resuming: Resuming, what: str) -> Iterator[T]:
        """All that a course gives, over as many streams as it takes."""
        while not course.over:
            plan = course.plan()
            stream = plan.rpc(self.stubs)(plan.request, timeout=resuming.stream_seconds(), metadata=self.metadata)
            lost: ClientError = ended_early(what)
            try:
                for response in stream:
                    resuming.heard()
                    yield from plan.parse(response)
                    if course.over:
                        return
                question = course.ended()
                if question is not None:
                    self.run(question, None)
            except grpc.RpcError as error:
                lost = self._translated(error)
            except ClientError as error:
                lost = error
            finally:
                stream.cancel()
            if not course.over:
                time.sleep(resuming.lost(lost))

    def _translated(self, error: grpc.RpcError) -> ClientError:
        if self._closed and error.code() is grpc.StatusCode.CANCELLED:
            return Cancelled("the client was closed", reason=CLIENT_CLOSED, status="CANCELLED")
        return from_rpc_error(error, self.target)

"""Carries plans out on an event loop; see caller.py."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, TypeVar

import grpc

from convscope.client.attempts import Attempts
from convscope.client.bulk import OnProgress
from convscope.client.caller import Caller, Metadata
from convscope.client.channel import Tls, authorization, open_async_channel
from convscope.client.correlation import call_metadata
from convscope.client.errors import CLIENT_CLOSED, Cancelled, ClientError, from_rpc_error
from convscope.client.plans import Plan, Stubs
from convscope.client.resuming import Course, Resuming, ended_early
from convscope.client.sending import LEFT, R, Sending

T = TypeVar("T")


class AsyncCaller:
    """What AsyncClient and the jobs that it gives call with."""

    def __init__(self, target: str, *, token: str | None, tls: Tls | None, timeout: float) -> None:
        """timeout: seconds that a call may take, where it does not say itself."""
        self.target = target
        self._authorization = authorization(token)
        self.channel = open_async_channel(target, tls)
        self.stubs = Stubs(self.channel)
        self._timeout = timeout
        self._make_sender = partial(Caller, target, token=token, tls=tls, timeout=timeout)
        self._sender: Caller | None = None

    async def close(self) -> None:
        """End the connection; calls under way are cancelled."""
        if self._sender is not None:
            self._sender.close()
        await self.channel.close()

    def metadata(self) -> Metadata:
        """Of the next call."""
        return (*self._authorization, *call_metadata())

    async def run(self, plan: Plan[T], timeout: float | None, metadata: Metadata | None = None) -> T:
        """One call."""
        metadata = metadata or self.metadata()
        attempts = Attempts(self._timeout if timeout is None else timeout)
        while True:
            seconds = attempts.seconds()
            try:
                return plan.parse(await plan.rpc(self.stubs)(plan.request, timeout=seconds, metadata=metadata))
            except grpc.RpcError as error:
                lost = from_rpc_error(error, self.target, metadata)
            except asyncio.CancelledError:
                raise_where_closed()
                raise
            await asyncio.sleep(attempts.pause(lost))

    async def send(self, upload: Sending[R], on_progress: OnProgress | None, timeout: float | None) -> R:
        """As Caller.send(), by which it is carried out in a thread, on a channel of its own: grpc.aio may lose the
        status of a call that ends while it is written to."""
        if self._sender is None:
            self._sender = self._make_sender()
        loop, news = asyncio.get_running_loop(), asyncio.Queue[tuple[int, int] | None]()

        def tell(done: int, total: int) -> None:
            loop.call_soon_threadsafe(news.put_nowait, (done, total))

        sending = asyncio.create_task(asyncio.to_thread(self._sender.send, upload, tell, timeout))
        sending.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while (progress := await news.get()) is not None:
                if on_progress is not None:
                    on_progress(*progress)
            return await sending
        finally:
            upload.gone.put(LEFT)
            sending.cancel()

    async def follow(self, course: Course[T], resuming: Resuming, what: str) -> AsyncIterator[T]:
        """All that a course gives, over as many streams as it takes, all of one name in the logs."""
        metadata = self.metadata()
        while not course.over:
            plan = course.plan()
            stream: Any = plan.rpc(self.stubs)(plan.request, timeout=resuming.stream_seconds(), metadata=metadata)
            lost: ClientError = ended_early(what)
            try:
                async for response in stream:
                    resuming.heard()
                    for thing in plan.parse(response):
                        yield thing
                    if course.over:
                        return
                question = course.ended()
                if question is not None:
                    await self.run(question, None, metadata)
            except grpc.RpcError as error:
                lost = from_rpc_error(error, self.target, metadata)
            except ClientError as error:
                lost = error
            except asyncio.CancelledError:
                raise_where_closed()
                raise
            finally:
                stream.cancel()
            if not course.over:
                await asyncio.sleep(resuming.lost(lost))


def raise_where_closed() -> None:
    """gRPC says that a call was cancelled also where nobody cancelled the task: the client was closed."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        raise Cancelled("the client was closed", reason=CLIENT_CLOSED, status="CANCELLED") from None

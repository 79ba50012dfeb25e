"""Long work, under way or done, on an event loop: the methods of Job, awaited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped,unused-ignore]

from convscope.client import job_plans
from convscope.client.arguments import check_integer, check_seconds, check_text
from convscope.client.async_caller import AsyncCaller
from convscope.client.collection_parse import Reading
from convscope.client.errors import ClientError
from convscope.client.job_events import Event
from convscope.client.job_info import Artifact, JobInfo
from convscope.client.job_parse import success_of, to_synthesis
from convscope.client.jobs import ANSWER_SECONDS, WAIT_SECONDS
from convscope.client.resuming import Resuming
from convscope.client.synthesis import Synthesis, check_parts
from convscope.client.transfer import Transfer
from convscope.client.watching import Watch

R = TypeVar("R")


class AsyncLongWork:
    """What all jobs have in common, whatever they make. Arguments and errors are those of LongWork."""

    def __init__(self, caller: AsyncCaller, name: str) -> None:
        self._caller = caller
        self.name = name
        """jobs/{job}."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def state(self) -> Awaitable[str]:
        """Job.state, to be awaited: `await job.state`."""
        return _State(self)

    async def info(self, *, timeout: float | None = None) -> JobInfo:
        return await self._caller.run(job_plans.get_job(self.name), timeout)

    def watch(self, after: int = 0, timeout: float | None = None) -> AsyncIterator[Event]:
        watch = Watch(self.name, check_integer("after", after, bits=64))
        return self._caller.follow(watch, Resuming(self.name, check_seconds("timeout", timeout)), self.name)

    async def wait(self, timeout: float | None = None) -> JobInfo:
        return success_of(await self._wait(check_seconds("timeout", timeout)))

    async def cancel(self, *, timeout: float | None = None) -> None:
        await self._caller.run(job_plans.cancel_job(self.name), timeout)

    async def delete(self, *, timeout: float | None = None) -> None:
        await self._caller.run(job_plans.delete_job(self.name), timeout)

    async def download(self, artifact: str) -> bytes:
        record = await self._artifact(artifact)
        return b"".join([some async for some in self._fetch(record)])

    async def download_to(self, artifact: str, path: str | Path) -> Path:
        record = await self._artifact(artifact)
        whole = Path(path)
        part = whole.with_name(f"{whole.name}.part")
        try:
            with part.open("wb") as file:
                async for some in self._fetch(record):
                    file.write(some)
            part.replace(whole)
        finally:
            part.unlink(missing_ok=True)
        return whole

    async def _artifact(self, name: str) -> Artifact:
        check_text("name", name, "UNKNOWN_ARTIFACT")
        return (await self.info()).artifact(name)

    async def _fetch(self, artifact: Artifact) -> AsyncIterator[bytes]:
        transfer = Transfer(self.name, artifact)
        async for some in self._caller.follow(transfer, Resuming(transfer.name, None), transfer.name):
            yield some
        transfer.check()

    async def _wait(self, timeout: float | None) -> Operation:
        resuming = Resuming(self.name, timeout)
        while True:
            seconds = resuming.wait_seconds(WAIT_SECONDS)
            plan = job_plans.wait_for_job(self.name, seconds)
            try:
                operation = await self._caller.run(plan, seconds + ANSWER_SECONDS)
            except ClientError as error:
                pause = resuming.lost(error)
            else:
                if operation.done:
                    return operation
                pause = resuming.idle()
            await asyncio.sleep(pause)


class AsyncJob(AsyncLongWork):
    """Long work of a cluster; AsyncClient gives it. Arguments and errors are those of Job."""

    async def result(self, timeout: float | None = None, *, parts: Iterable[str] | None = None) -> Synthesis:
        chosen = check_parts(parts)
        made = to_synthesis(await self._wait(check_seconds("timeout", timeout)))
        files = {one.name: b"".join([some async for some in self._fetch(one)]) for one in made.artifacts(chosen)}
        return replace(made, files=files)


class AsyncCollectionJob(AsyncLongWork, Generic[R]):
    """Long work on a collection; AsyncCollection gives it. Arguments and errors are those of CollectionJob."""

    def __init__(self, caller: AsyncCaller, name: str, read: Reading[R]) -> None:
        super().__init__(caller, name)
        self._read = read

    async def result(self, timeout: float | None = None) -> R:
        ending = self._read(await self._wait(check_seconds("timeout", timeout)))
        return ending.made({one.name: b"".join([some async for some in self._fetch(one)]) for one in ending.files})


class _State:
    """Asks when it is awaited, so that a look at the attribute alone costs nothing."""

    def __init__(self, job: AsyncLongWork) -> None:
        self._job = job

    def __await__(self):  # type: ignore[no-untyped-def]
        return (yield from self._job.info().__await__()).state

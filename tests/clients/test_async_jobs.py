"""Long work through AsyncClient: the methods of Job, awaited."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import (
    AsyncClient,
    AsyncJob,
    Cancelled,
    Client,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    Job,
    NotFound,
    ResourceExhausted,
    ServerFault,
    Unavailable,
    resuming,
)
from tests.clients.job_stand_in import HEIGHT, WIDTH, JobServer, JobStandIn, serving_jobs
from tests.clients.test_async_client import public_methods
from tests.clients.test_jobs import BIG, MODEL, WRONG_DREAMS, again, behind, impatient, numbers
from tests.processes import free_port, wait_until


@pytest.fixture
def server() -> Iterator[JobServer]:
    with serving_jobs() as server:
        yield server


@pytest.fixture
def jobs(server: JobServer) -> JobStandIn:
    return server.jobs


@pytest.fixture
async def client(server: JobServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient.connect(server.address) as client:
        yield client


def test_both_kinds_of_jobs_have_the_same_members() -> None:
    assert public_methods(AsyncJob) == public_methods(Job)
    assert isinstance(inspect.getattr_static(AsyncJob, "state"), property)


@pytest.mark.parametrize("name", sorted(public_methods(Job)))
def test_both_kinds_of_jobs_take_the_same_parameters(name: str) -> None:
    found, expected = (inspect.signature(getattr(cls, name)).parameters for cls in (AsyncJob, Job))
    assert found == expected


async def test_requests_are_those_of_the_synchronous_client(
    client: AsyncClient, server: JobServer, jobs: JobStandIn, cat_path: Path
) -> None:
    classes: dict[str, Any] = {"model": MODEL, "target": [281, "tabby"], "steps": 3, "l2": 0.5, "request_id": "a"}
    dream: dict[str, Any] = {"model": MODEL, "channels": (1, 2), "guide": cat_path, "size": 64, "request_id": "b"}
    made = [await client.visualize_class(**classes), await client.deep_dream(cat_path, **dream)]
    with Client.connect(server.address) as plain:
        same = [plain.visualize_class(**classes), plain.deep_dream(cat_path, **dream)]
    assert [job.name for job in made] == [job.name for job in same]
    assert jobs.requests[:2] == jobs.requests[2:]
    assert repr(made[0]) == f"AsyncJob({made[0].name!r})"


@pytest.mark.parametrize(("changes", "field"), WRONG_DREAMS, ids=str)
async def test_a_wrong_argument_is_told_before_any_call(changes: dict[str, Any], field: str) -> None:
    async with AsyncClient.connect(f"127.0.0.1:{free_port()}") as client:
        with pytest.raises(InvalidArgument) as caught:
            await client.deep_dream(**{"image": b"a picture", "model": MODEL, **changes})
    assert (caught.value.field, caught.value.status) == (field, "")


async def test_state_and_info_tell_how_a_job_stands(client: AsyncClient, jobs: JobStandIn) -> None:
    job = await client.visualize_class(model=MODEL, target=281)
    _ = job.state  # a look asks for nothing
    assert await job.state == "queued"
    jobs.begin(job.name)
    jobs.step(job.name, 3)
    info = await job.info()
    assert (info.state, info.step, await job.state) == ("running", 3, "running")


async def test_a_job_is_found_by_its_name(client: AsyncClient, jobs: JobStandIn) -> None:
    name = jobs.add()
    assert (await client.job(name)).name == (await client.job(name.removeprefix("jobs/"))).name == name
    with pytest.raises(NotFound):
        await client.job("nobody")


async def test_jobs_are_listed_page_by_page(client: AsyncClient, jobs: JobStandIn) -> None:
    names = [jobs.add() for _ in range(5)]
    found = client.jobs(page_size=2, states="queued")
    assert (await anext(found)).name == names[-1]
    assert len(jobs.pages) == 1
    assert [info.name async for info in found] == names[-2::-1]
    with pytest.raises(InvalidArgument):
        client.jobs(kinds="dream")


async def test_a_watch_tells_all_that_happens(client: AsyncClient, server: JobServer, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.run(name, steps=4)
    events = [event async for event in (await client.job(name)).watch()]
    with Client.connect(server.address) as plain:
        assert events == list(plain.job(name).watch())
    assert numbers([event async for event in (await client.job(name)).watch(after=6)]) == [7, 8]
    assert [event async for event in (await client.job(name)).watch(after=8)] == []


async def test_a_watch_outlives_its_servers(client: AsyncClient, server: JobServer, jobs: JobStandIn) -> None:
    job = await client.visualize_class(model=MODEL, target=281)
    behind(jobs.run, job.name, steps=100, pause=0.01)
    events = []
    async for event in job.watch():
        events.append(event)
        if event.number in (20, 60, 61):
            await asyncio.to_thread(again, server)
    assert numbers(events) == list(range(1, jobs.records[job.name].job.last_event + 1))
    assert len(jobs.watches) >= 3


@pytest.mark.parametrize("quietly", [False, True])
async def test_a_watch_is_taken_up_wherever_it_is_cut(client: AsyncClient, jobs: JobStandIn, quietly: bool) -> None:
    name = jobs.add()
    jobs.run(name, steps=6)
    jobs.cut, jobs.cut_quietly = 3, quietly
    assert numbers([event async for event in (await client.job(name)).watch()]) == list(range(1, 11))
    assert jobs.watches == [0, 3, 6, 9]


async def test_the_deadline_of_a_stream_does_not_end_the_watch(
    client: AsyncClient, jobs: JobStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "STREAM_SECONDS", 0.2)
    name = jobs.add()
    behind(jobs.run, name, steps=2, pause=0.3)
    assert numbers([event async for event in (await client.job(name)).watch()]) == list(range(1, 7))


async def test_a_watch_and_a_result_have_a_timeout(client: AsyncClient, jobs: JobStandIn) -> None:
    job = await client.job(jobs.add())
    with pytest.raises(DeadlineExceeded, match="it goes on"):
        _ = [event async for event in job.watch(timeout=0.2)]
    with pytest.raises(DeadlineExceeded, match="it goes on"):
        await job.result(timeout=0.2)
    with pytest.raises(InvalidArgument):
        job.watch(timeout=-1)


async def test_without_any_server_a_watch_and_a_result_are_given_up(
    server: JobServer, jobs: JobStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    async with AsyncClient.connect(server.address) as client:
        job = await client.job(jobs.add())
        events = job.watch()
        await anext(events)
        await asyncio.to_thread(server.stop)
        with pytest.raises(Unavailable, match=server.address):
            await anext(events)
        with pytest.raises(Unavailable, match=server.address):
            await job.result()


async def test_closing_the_client_ends_a_watch_and_a_wait(server: JobServer, jobs: JobStandIn) -> None:
    client = AsyncClient.connect(server.address)
    job = await client.job(jobs.add())

    async def watch() -> None:
        async for _ in job.watch():
            pass

    tasks = [asyncio.create_task(watch()), asyncio.create_task(job.result())]
    await asyncio.to_thread(wait_until, lambda: bool(jobs.watching and jobs.waits), "both wait")
    await client.close()
    ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert [type(end) for end in ends] == [Cancelled, Cancelled]


async def test_a_cancelled_task_ends_its_watch_in_the_server(client: AsyncClient, jobs: JobStandIn) -> None:
    job = await client.job(jobs.add())

    async def watch() -> None:
        async for _ in job.watch():
            pass

    task = asyncio.create_task(watch())
    await asyncio.to_thread(wait_until, lambda: jobs.watching == 1, "somebody watches")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: jobs.watching == 0, "nobody watches")


async def test_the_result_has_everything(client: AsyncClient, jobs: JobStandIn) -> None:
    job = await client.visualize_class(model=MODEL, target=[281, 282])
    behind(jobs.run, job.name, pause=0.01)
    made = await job.result(timeout=20)
    assert (made.targets, made.labels, len(made.images)) == ((281, 282), ("tabby", "tiger cat"), 2)
    assert (made.values.shape, made.history["loss"][0]) == ((2, HEIGHT, WIDTH, 3), 1.0)
    assert (await job.result(parts="way")).way == made.way


async def test_many_jobs_are_waited_for_at_once(client: AsyncClient, jobs: JobStandIn) -> None:
    jobs.work = jobs.run
    made = await asyncio.gather(*(client.visualize_class(model=MODEL, target=281) for _ in range(8)))
    results = await asyncio.gather(*(job.result(20) for job in made))
    assert len({result.job.name for result in results}) == 8


async def test_a_result_outlives_its_servers(client: AsyncClient, server: JobServer, jobs: JobStandIn) -> None:
    job = await client.job(jobs.add())
    made = asyncio.create_task(job.result(30))
    await asyncio.to_thread(wait_until, lambda: bool(jobs.waits), "it waits")
    await asyncio.to_thread(again, server)
    jobs.succeed(job.name)
    assert (await made).labels == ("tabby",)


async def test_a_job_that_made_nothing_raises_why(client: AsyncClient, jobs: JobStandIn) -> None:
    failed, ended = await client.job(jobs.add()), await client.job(jobs.add())
    jobs.fail(failed.name)
    with pytest.raises(ResourceExhausted, match="no memory is left"):
        await failed.result()
    await ended.cancel()
    with pytest.raises(Cancelled):
        await ended.result()
    await ended.delete()
    with pytest.raises(NotFound):
        await ended.info()


async def test_files_are_downloaded_over_lost_connections(
    client: AsyncClient, jobs: JobStandIn, tmp_path: Path
) -> None:
    name = jobs.add()
    jobs.succeed(name, big_bin=BIG)
    jobs.cut = 20
    job = await client.job(name)
    assert await job.download("big.bin") == BIG
    assert jobs.offsets == [0, 20_000, 40_000]
    path = await job.download_to("values.npy", tmp_path / "values.npy")
    assert np.load(path).shape == (1, HEIGHT, WIDTH, 3)
    assert list(tmp_path.iterdir()) == [path]


async def test_a_file_that_is_damaged_or_not_there_is_told(
    client: AsyncClient, jobs: JobStandIn, tmp_path: Path
) -> None:
    name = jobs.add()
    job = await client.job(name)
    with pytest.raises(FailedPrecondition):
        await job.download("values.npy")
    jobs.succeed(name)
    jobs.records[name].files["values.npy"] = b"something else"
    with pytest.raises(ServerFault):
        await job.download_to("values.npy", tmp_path / "values.npy")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        await job.download("values")

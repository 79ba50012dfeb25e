"""What is new of a job since somebody last looked."""

import asyncio
from dataclasses import dataclass, field

from PIL import Image

from convscope.client import Synthesis, TrainedPrior
from convscope.client.job_events import Event, Preview, Progress
from convscope.client.job_info import SYNTHESIS_KINDS, JobInfo
from convscope.web.cluster import Cluster

TRAIN_PRIOR = "train_prior"
PACE_SECONDS = 0.4
"""What comes so soon after the first thing that is new is told along with it."""


@dataclass
class JobNews:
    """All of it."""

    info: JobInfo
    """As the job stands now."""
    losses: list[tuple[int, float]] = field(default_factory=list)
    """(step, loss) of the steps that are new; of a job that has ended well, of all."""
    preview: Image.Image | None = None
    """The newest, where it is new."""
    last_event: int = 0
    """What is new next time comes after it."""
    result: Synthesis | None = None
    """Of a job that made pictures and has ended well: what parts_of() names."""
    trained: TrainedPrior | None = None
    """Of a job that trained a prior and has ended well."""


async def job_news(cluster: Cluster, name: str, after: int, seconds: float) -> JobNews:
    """Waits until there is something, or for so many seconds: who asks may have gone. after: the last event that is
    known; 0: none. Raises ClientError."""
    job = await cluster.client.job(name)
    news = JobNews(await job.info(), last_event=after)
    # The files of pictures that were made tell all; of every other job its events do.
    if news.info.state != "succeeded" or news.info.kind == TRAIN_PRIOR:
        clock = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds) as limit:
                async for event in job.watch(after=after):
                    if news.last_event == after:
                        limit.reschedule(clock.time() + PACE_SECONDS)
                    _take(news, event)
        except TimeoutError:
            pass
        news.info = await job.info()
    if news.info.state == "succeeded" and news.info.kind in SYNTHESIS_KINDS:
        news.result = await job.result(parts=parts_of(news.info))
        history = news.result.history
        news.losses = list(zip(history.get("step", []), history.get("loss", []), strict=False))
    if news.info.state == "succeeded" and news.info.kind == TRAIN_PRIOR:
        news.trained = await (await cluster.client.collection_job(name)).result()
    return news


def parts_of(info: JobInfo) -> list[str]:
    """Which parts of a job's files are looked at."""
    names = {one.name for one in info.artifacts}
    # A dream keeps no copy of its photograph, but its way begins there.
    beside = ("way",) if info.kind == "deep_dream" else ("original", "perturbation", "chain", "examples")
    return ["images", "history", *(part for part in beside if part == "way" or f"{part}.png" in names)]


def _take(news: JobNews, event: Event) -> None:
    news.last_event = event.number
    # The first steps of a training only look at codes, and have no loss.
    if isinstance(event, Progress) and (event.loss or news.info.kind != TRAIN_PRIOR):
        news.losses.append((event.step, event.loss))
    elif isinstance(event, Preview):
        news.preview = event.picture

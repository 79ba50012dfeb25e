"""The component that lists jobs: the queue, and the gallery of what is finished."""

from typing import Any

import gradio as gr

from convscope.client.errors import ClientError
from convscope.client.job_info import SYNTHESIS_KINDS, JobInfo
from convscope.web.cluster import Cluster
from convscope.web.dream.job_titles import job_title
from convscope.web.dream.thumbnails import Thumbnails
from convscope.web.page_file import page_file

NEWEST = 24
"""Jobs in the queue, and pictures in the gallery."""


def job_lists(cluster: Cluster, elem_id: str) -> gr.HTML:
    """It looks itself whether there is something new. `choose` tells the `job` that was chosen."""
    thumbnails = Thumbnails(cluster)

    async def newest(_: Any) -> dict[str, Any]:
        """What the cluster has."""
        try:
            return {"queue": await _listed(cluster), "gallery": await _listed(cluster, "succeeded", SYNTHESIS_KINDS)}
        except ClientError:
            return {}

    async def thumbnail(name: str) -> dict[str, str]:
        """Of one job; empty where there is none."""
        try:
            return await thumbnails.of(str(name))
        except ClientError:
            return {}

    return gr.HTML(
        html_template=page_file("dream/job_lists.html"),
        css_template=page_file("dream/job_lists.css"),
        js_on_load=page_file("node.js") + page_file("dream/job_lists.js"),
        apply_default_css=False,
        server_functions=[newest, thumbnail],
        elem_id=elem_id,
    )


async def _listed(cluster: Cluster, states: str | tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> list[Any]:
    found: list[Any] = []
    async for job in cluster.client.jobs(states=states, kinds=kinds, page_size=NEWEST):
        found.append(_line(job))
        if len(found) == NEWEST:
            break
    return found


def _line(job: JobInfo) -> dict[str, Any]:
    return {
        "job": job.name.removeprefix("jobs/"),
        "title": job_title(job.kind),
        "model": job.model,
        "state": job.state,
        "over": job.over,
        "step": job.step,
        "total": job.total,
        "created": job.created.isoformat() if job.created else "",
    }
